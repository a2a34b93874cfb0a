"""An erasure finds by an index what grows without end; no needless statistics hold names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy.dialects import postgresql
from sqlalchemy.sql import visitors

import app.repositories
from app.db import Base, Reader
from app.models import Event
from app.models.base import PERSONAL
from app.repositories import customer_traces, idempotency_keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db import Database

    Sql = Callable[..., list[tuple[Any, ...]]]

_KEYS = """
INSERT INTO idempotency_keys (actor_id, key_hash, request_hash, answer, objects, expires_at)
SELECT gen_random_uuid(), sha256(int4send(n)), sha256(int4send(n)), 'x',
    ARRAY[gen_random_uuid(), gen_random_uuid(), gen_random_uuid()], now() + interval '1 day'
FROM generate_series(1, 20000) AS n
"""
_EVENTS = """
INSERT INTO events (id, actor_kind, actor_name, action, object_type, object_id, changes)
SELECT gen_random_uuid(), 'user', 'x', 'created', 'conversations', gen_random_uuid(),
    jsonb_build_object('customer_id', jsonb_build_object('before', CASE WHEN mod(n, 1000) = 0
        THEN gen_random_uuid() END, 'after', gen_random_uuid()))
FROM generate_series(1, 20000) AS n
"""
_OFF = """
SELECT attrelid::regclass || '.' || attname FROM pg_attribute JOIN pg_class ON oid = attrelid
WHERE relnamespace = 'public'::regnamespace AND attstattarget = 0 AND attnum > 0
"""


def plan(sql: Sql, statement: str, *parameters: Any) -> str:
    return "\n".join(line for (line,) in sql(f"EXPLAIN {statement}", *parameters))


def test_kept_answers_are_found_by_an_index(database: Database, sql: Sql) -> None:
    """However many there are, and however many ids are looked for."""
    sql(_KEYS)
    sql("ANALYZE idempotency_keys")
    statement = idempotency_keys._ERASE.text.replace(":objects", "%s")
    for count in (1, 100, 10_000):
        found = plan(sql, statement, [str(uuid4()) for _ in range(count)])
        assert "Bitmap Index Scan on ix_idempotency_keys_objects" in found
        assert "Seq Scan" not in found


def test_what_was_moved_is_found_by_an_index(database: Database, sql: Sql) -> None:
    """Of all events only those are looked at that took something away from something."""
    sql(_EVENTS)
    sql("ANALYZE events")
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call] # SQLAlchemy types it so
    statement = customer_traces._FORMER.compile(dialect=dialect)
    values = {"customer": str(uuid4()), "object_type_1": "conversations"}
    found = plan(sql, str(statement) % {name: f"'{of}'" for name, of in values.items()})
    assert "ix_events_customer_id_before" in found
    assert "Seq Scan" not in found


def test_no_statistics_are_made_of_personal_columns_without_need(sql: Sql) -> None:
    """That is of those in no index and no filter; `q` reads the text itself."""
    used = {
        (column.table.name, column.name)
        for expression in [*_filters(), *_indexed()]
        for column in _parts(expression)
        if getattr(column, "table", None) is not None
    }
    needless = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.sorted_tables
        for column in table.c
        if PERSONAL in column.info and (table.name, column.name) not in used
    }
    assert "messages.body" in needless
    earlier = f"{Event.__tablename__}.changes"  # holds what became personal later
    assert {name for (name,) in sql(_OFF)} == {*needless, earlier}


def _parts(expression: Any) -> list[Any]:
    return list(visitors.iterate(expression))


def _filters() -> list[Any]:
    readers = [each for each in vars(app.repositories).values() if isinstance(each, type)]
    return [
        declared.expression
        for reader in readers
        if issubclass(reader, Reader)
        for declared in reader.filters.values()
    ]


def _indexed() -> list[Any]:
    return [
        expression
        for table in Base.metadata.sorted_tables
        for index in table.indexes
        for expression in index.expressions
    ]
