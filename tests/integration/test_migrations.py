"""Migrations run under timeouts, one at a time, and back; models and schema agree."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from sqlalchemy import create_engine, make_url, text

from app.administration import MIGRATIONS
from app.db.admin import MigrationError, Migrations, migrations
from app.db.errors import LockTimeout
from app.models import Base
from tests.server import copy_template, create_beside, drop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Everything about a schema that a migration could forget, as text.
_SCHEMA = """
SELECT 'column', table_name || '.' || column_name,
       concat_ws(' ', udt_name, is_nullable, collation_name, column_default, generation_expression)
FROM information_schema.columns
WHERE table_schema = 'public' AND table_name <> 'alembic_version'
UNION ALL
SELECT 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
  AND conrelid <> 'alembic_version'::regclass
UNION ALL
SELECT 'index', tablename || '.' || indexname, indexdef FROM pg_indexes
WHERE schemaname = 'public' AND tablename <> 'alembic_version'
"""
_PROGRAMS = """
SELECT 'trigger', tgrelid::regclass || '.' || tgname, pg_get_triggerdef(oid)
FROM pg_trigger WHERE NOT tgisinternal
UNION ALL
SELECT 'function', proname, prosrc FROM pg_proc
WHERE pronamespace = 'public'::regnamespace AND prolang <> 13 AND proname !~ 'trgm|similarity|limit'
"""


_ENV = """
from alembic import context
context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
"""
_FIRST = """
from alembic import op
revision, down_revision = "first", None
def upgrade():
    op.execute("CREATE TABLE library_books (title text)")
def downgrade():
    op.execute("DROP TABLE library_books")
"""


@pytest.fixture
def url(template_url: str, worker_id: str) -> Iterator[str]:
    """A migrated database to take apart."""
    url = copy_template(template_url, f"migrations_{worker_id}")
    yield url
    drop(url)


def rows(url: str, query: str) -> set[tuple[Any, ...]]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return set(cursor.fetchall())


def test_a_database_that_cannot_store_every_text_is_refused(
    template_url: str, worker_id: str
) -> None:
    """Before anything is created in it: later the first accent would fail."""
    options = "ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"
    url = create_beside(template_url, f"ascii_{worker_id}", options)
    try:
        with pytest.raises(MigrationError, match="is SQL_ASCII, and it must be UTF8"):
            MIGRATIONS.upgrade(url)
        assert MIGRATIONS.current(url) is None
    finally:
        drop(url)


def test_another_service_has_migrations_of_its_own(
    template_url: str, worker_id: str, tmp_path: Path
) -> None:
    """Its alembic.ini and the number of its lock are all that they need."""
    (tmp_path / "versions").mkdir()
    (tmp_path / "versions" / "first.py").write_text(_FIRST)
    (tmp_path / "env.py").write_text(_ENV)
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s\n")
    own = Migrations(tmp_path / "alembic.ini", lock=1)
    url = create_beside(template_url, f"own_{worker_id}")
    try:
        own.upgrade(url)
        assert own.current(url) == own.head() == "first"
        assert rows(url, "SELECT title FROM library_books") == set()
        own.downgrade(url, "base")
        assert own.current(url) is None
    finally:
        drop(url)


def test_a_migration_without_downgrade_is_named(
    template_url: str, worker_id: str, tmp_path: Path
) -> None:
    """Nothing is taken back, not even the migrations after it that could be."""
    second = _FIRST.replace('"first", None', '"second", "first"').replace("books", "loans")
    (tmp_path / "versions").mkdir()
    (tmp_path / "versions" / "first.py").write_text(_FIRST.partition("def downgrade")[0])
    (tmp_path / "versions" / "second.py").write_text(second)
    (tmp_path / "env.py").write_text(_ENV)
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s\n")
    own = Migrations(tmp_path / "alembic.ini", lock=1)
    url = create_beside(template_url, f"own_{worker_id}")
    try:
        own.upgrade(url)
        with pytest.raises(MigrationError) as caught:
            own.downgrade(url, "base")
        assert str(caught.value) == (
            "The migration first.py has no function `downgrade`, so nothing was run. Write it, or"
            " restore a backup from before."
        )
        assert own.current(url) == "second"
    finally:
        drop(url)


def test_up_down_up_ends_where_it_began(url: str) -> None:
    """Every migration can be taken back, and leaves nothing behind."""
    before = rows(url, _SCHEMA), rows(url, _PROGRAMS)
    MIGRATIONS.downgrade(url, "base")
    assert rows(url, _SCHEMA) == set()
    assert MIGRATIONS.current(url) is None
    MIGRATIONS.upgrade(url)
    assert (rows(url, _SCHEMA), rows(url, _PROGRAMS)) == before
    assert MIGRATIONS.current(url) == MIGRATIONS.head()


def test_models_and_migrations_make_the_same_schema(url: str) -> None:
    """Columns, defaults, constraints and indexes, to the letter."""
    migrated = rows(url, _SCHEMA)
    MIGRATIONS.downgrade(url, "base")
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg2"))
    with engine.begin() as connection:
        connection.execute(text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
        Base.metadata.create_all(connection)
    engine.dispose()
    modelled = rows(url, _SCHEMA)
    assert modelled - migrated == set()
    assert migrated - modelled == set()


def test_alembic_finds_no_difference(url: str) -> None:
    """What `flask db check` runs: it raises where models and schema differ."""
    MIGRATIONS.check(url)


def test_two_upgrades_at_once_are_one_after_the_other(url: str) -> None:
    """The second one waits, and finds nothing left to do."""
    MIGRATIONS.downgrade(url, "base")
    failures = []

    def upgrade() -> None:
        try:
            MIGRATIONS.upgrade(url)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
            failures.append(error)

    threads = [threading.Thread(target=upgrade) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert MIGRATIONS.current(url) == MIGRATIONS.head()


def test_a_migration_does_not_wait_long_for_a_lock(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gives up, and with it those who queue behind it go on; nothing of it is done."""
    monkeypatch.setattr(migrations, "_TIMEOUTS", migrations._TIMEOUTS.replace("'4s'", "'100ms'"))
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(f"LOCK {', '.join(Base.metadata.tables)} IN ACCESS SHARE MODE")
        started = time.monotonic()
        with pytest.raises(LockTimeout):
            MIGRATIONS.downgrade(url, "base")
        assert time.monotonic() - started < 3
    assert MIGRATIONS.current(url) == MIGRATIONS.head()


def test_dedupe_keys_survive_the_downgrade_to_one_namespace(url: str) -> None:
    """Of equal keys in several scopes one stays, a user's first. All tasks stay, and old code,
    which writes no scope, is refused a second key on either schema."""
    parent = "00000000-0000-7000-8000-000000000001"
    insert = (
        "INSERT INTO tasks (id, kind, queue, dedupe_key{column}) VALUES"
        " (gen_random_uuid(), 'x', 'work', {values})"
    )
    execute(url, insert.format(column="", values="'user'"))
    with pytest.raises(psycopg2.errors.UniqueViolation, match="uq_tasks_dedupe_key"):
        execute(url, insert.format(column="", values="'user'"))
    for scope, key in ((parent, "user"), (parent, "agent"), (parent[:-1] + "2", "agent")):
        execute(url, insert.format(column=", dedupe_scope", values=f"'{key}', '{scope}'"))
    for _ in range(2):
        execute(url, insert.format(column="", values="NULL"))
    MIGRATIONS.downgrade(url, "0012")
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT dedupe_key, count(*) FROM tasks GROUP BY 1")
        assert dict(cursor.fetchall()) == {"user": 1, "agent": 1, None: 4}
    with pytest.raises(psycopg2.errors.UniqueViolation, match="uq_tasks_dedupe_key"):
        execute(url, insert.format(column="", values="'agent'"))
    MIGRATIONS.upgrade(url)


def execute(url: str, statement: str) -> None:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)
