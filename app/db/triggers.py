"""The trigger that moves `version` and `updated_at` of a Resource's rows: created, and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sqlalchemy import ARRAY, Text, bindparam, text
from sqlalchemy.dialects import postgresql

from .marks import BOOKKEEPING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import Connection, MetaData, Table

    class Operations(Protocol):
        """The part of `alembic.op` that is used here."""

        def execute(self, sqltext: str, /) -> object: ...


_QUOTED = postgresql.dialect().identifier_preparer  # type: ignore[no-untyped-call] # SQLAlchemy's

# The arguments of the trigger are the columns whose changes move no version. Old migrations create
# this function, so its behaviour never changes: a new one needs a new name.
_TOUCH_ROW = """
CREATE FUNCTION touch_row() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF TG_NARGS > 0
        AND to_jsonb(NEW) - TG_ARGV::text[] - '{version,updated_at}'::text[]
          = to_jsonb(OLD) - TG_ARGV::text[] - '{version,updated_at}'::text[]
    THEN
        NEW.version := OLD.version;
        NEW.updated_at := OLD.updated_at;
    ELSE
        NEW.version := OLD.version + 1;
        NEW.updated_at := now();
    END IF;
    RETURN NEW;
END $body$
"""
_ENSURE_TOUCH_ROW = f"""
DO $do$ BEGIN
    IF to_regprocedure('touch_row()') IS NULL THEN
        EXECUTE $create${_TOUCH_ROW}$create$;
    END IF;
END $do$
"""

# A trigger counts that calls the function before each row is updated, whatever column changes.
# tgtype has the bits ROW (1), BEFORE (2) and UPDATE (16); tgenabled is O or A where the trigger
# runs in ordinary sessions.
_FIND_TRIGGERS = text("""
SELECT given.name, to_regclass(given.name) IS NOT NULL, tgname, tgenabled IN ('O', 'A')
FROM unnest(:names) AS given(name)
LEFT JOIN pg_trigger ON tgrelid = to_regclass(given.name)
    AND tgfoid = to_regprocedure('touch_row()') AND tgtype & 19 = 19 AND tgattr = ''
ORDER BY given.name, tgname
""").bindparams(bindparam("names", type_=ARRAY(Text)))


def touch(op: Operations, table: str, *, ignoring: Iterable[str] = ()) -> None:
    """Let every UPDATE of the table's rows move their version; for migrations, after create_table.

    `ignoring` names the columns whose changes move no version: those that the model marks as
    BOOKKEEPING, and generated columns. Call it again to change them. The first call in a database
    creates the function `touch_row`, which stays when the tables are dropped.
    """
    for statement in _create_trigger(table, _QUOTED.quote(table), ignoring):
        op.execute(statement)


def create_tables(connection: Connection, metadata: MetaData) -> None:
    """Create the tables that are missing, and their triggers; for tests and examples.

    A service's own database is created by its migrations.
    """
    metadata.create_all(connection)
    for table in _versioned(metadata):
        ignoring = [c.name for c in table.c if c.info.get(BOOKKEEPING) or c.computed is not None]
        for statement in _create_trigger(table.name, _QUOTED.format_table(table), ignoring):
            connection.exec_driver_sql(statement)


def check_tables(connection: Connection, metadata: MetaData) -> list[str]:
    """Say, in one sentence for each, which Resource's table lacks its trigger; one SELECT.

    Without the trigger versions do not move, and no write notices that it overwrites another one.
    """
    names = [_QUOTED.format_table(table) for table in _versioned(metadata)]
    return [
        sentence
        for name, exists, trigger, enabled in connection.execute(_FIND_TRIGGERS, {"names": names})
        if (sentence := _sentence(name, trigger, exists=exists, enabled=enabled))
    ]


def _sentence(table: str, trigger: str | None, *, exists: bool, enabled: bool | None) -> str | None:
    if not exists:
        return f"The table {table} does not exist."
    if trigger is None:
        return f"The table {table} has no trigger that calls touch_row: its versions do not move."
    if not enabled:
        return f"The trigger {trigger} of the table {table} is disabled: its versions do not move."
    return None


def _versioned(metadata: MetaData) -> Iterator[Table]:
    """The tables whose `version` the database moves, as that of a Resource says."""
    for table in metadata.sorted_tables:
        if "version" in table.c and table.c.version.server_onupdate is not None:
            yield table


def _create_trigger(name: str, quoted: str, ignoring: Iterable[str]) -> tuple[str, str]:
    arguments = ", ".join(f"'{column}'" for column in ignoring)
    # PostgreSQL refuses a condition on NEW.* where a column is generated; with arguments, the
    # function compares the rows itself.
    condition = "" if arguments else "WHEN (OLD.* IS DISTINCT FROM NEW.*) "
    return _ENSURE_TOUCH_ROW, (
        f"CREATE OR REPLACE TRIGGER {_QUOTED.quote(f'{name}_touch')} BEFORE UPDATE ON {quoted}"
        f" FOR EACH ROW {condition}EXECUTE FUNCTION touch_row({arguments})"
    )
