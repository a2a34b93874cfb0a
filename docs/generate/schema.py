"""Diagrams of the tables in Mermaid, from the metadata of the models."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from sqlalchemy.dialects import postgresql

from app.models import Base
from app.models.base import REMOVED
from docs.generate.parts import code, table

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Column, Table

AREAS = {
    "conversations": ("customers", "conversations", "messages"),
    "tasks": ("tasks", "task_attempts", "todos"),
    "money": ("accounts", "transactions", "entries", "holds"),
    "people": ("users", "agents", "tokens", "rate_limits"),
    "answers": ("products", "faqs", "search_words"),
    "records": ("events", "event_personal_values", "idempotency_keys"),
}
"""Each table in one area: a diagram of all tables with their columns is too large to read."""

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_SHORT = {"timestamp with time zone": "timestamptz", "double precision": "double"}


def parts() -> dict[str, str]:
    """The parts of docs/schema.md; raises LookupError for a table without an area."""
    tables = Base.metadata.tables
    if missing := tables.keys() - {name for area in AREAS.values() for name in area}:
        raise LookupError(f"AREAS in docs/generate/schema.py lacks {', '.join(sorted(missing))}.")
    drawn = {area: _diagram([tables[name] for name in names]) for area, names in AREAS.items()}
    return {"overview": _overview(), **drawn, "list": _tables()}


def _overview() -> str:
    """The lines without their labels."""
    lines = [line for found in _sorted_tables() for line in _references(found)]
    return _mermaid([f'{line.partition(" : ")[0]} : ""' for line in lines])


def _diagram(tables: Collection[Table]) -> str:
    lines = [line for found in tables for line in _references(found)]
    for found in tables:
        columns = (f"    {_column(column)}" for column in found.c)
        lines += [f"{found.name} {{", *columns, "}"]
    return _mermaid(lines)


def _mermaid(lines: Collection[str]) -> str:
    return "\n".join(["```mermaid", "erDiagram", *(f"    {line}" for line in lines), "```"])


def _references(found: Table) -> list[str]:
    """`many }o--|| one : columns`; `o|` is at most one row, `||` exactly one."""
    columns: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key in sorted(found.foreign_key_constraints, key=lambda key: list(key.column_keys)):
        first = key.columns[0]
        few = "o|" if first.primary_key or _is_unique(first) else "}o"
        one = "o|" if first.nullable else "||"
        columns[f"{few}--{one}", key.referred_table.name].append(" + ".join(key.column_keys))
    return [
        f'{found.name} {line} {to} : "{", ".join(names)}"' for (line, to), names in columns.items()
    ]


def _column(column: Column[object]) -> str:
    marks = [("PK", column.primary_key), ("FK", column.foreign_keys), ("UK", _is_unique(column))]
    keys = ", ".join(mark for mark, holds in marks if holds)
    line = f"{_type(column)} {column.name} {keys}".rstrip()
    return f'{line} "or NULL"' if column.nullable else line


def _type(column: Column[object]) -> str:
    name = column.type.compile(dialect=_DIALECT).lower().partition(" collate")[0]
    return re.sub(r"\W+$", "", _SHORT.get(name, name)) if name[-1] != "]" else name


def _is_unique(column: Column[object]) -> bool:
    return any(
        index.unique and [part.name for part in index.columns] == [column.name]
        for index in column.table.indexes
    )


def _sorted_tables() -> list[Table]:
    return [Base.metadata.tables[name] for area in AREAS.values() for name in area]


def _tables() -> str:
    modules = {m.local_table: m.class_.__module__ for m in Base.registry.mappers}
    rows = [
        (
            f"`{found.name}`",
            f"`{modules[found].replace('.', '/')}.py`",
            code(*(c.name for c in found.c if c.primary_key)),
            "yes" if "version" in found.c else "no",
            _deletion(found),
        )
        for found in _sorted_tables()
    ]
    return table(("table", "model", "key", "version", "the service deletes"), *rows)


def _deletion(found: Table) -> str:
    if "deleted_at" in found.c:
        return "by hiding: `deleted_at`"
    return "for good" if found.info.get(REMOVED) else "never"
