"""The trigger that sets `version` and `updated_at` of a Resource's rows: created, and checked."""

from collections.abc import Iterable
from typing import Any, Protocol

from sqlalchemy import ARRAY, Connection, MetaData, Row, Table, Text, bindparam, text
from sqlalchemy.dialects import postgresql

from .marks import BOOKKEEPING


class Operations(Protocol):
    """The part of `alembic.op` that is used here."""

    def execute(self, sqltext: str, /) -> object: ...


_QUOTED = postgresql.dialect().identifier_preparer  # type: ignore[no-untyped-call] # SQLAlchemy's

_UNGUARDED = "its versions stay as they are"

# The arguments of the trigger are the columns whose changes do not raise the version. Old
# migrations create this function, so its behaviour never changes: a new one needs a new name.
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
# runs in ordinary sessions. A condition on single columns says by itself what it ignores.
_FIND_TRIGGERS = text("""
SELECT given.name, to_regclass(given.name) IS NOT NULL AS is_there, tgname,
    tgenabled IN ('O', 'A') AS is_enabled, tgargs,
    tgqual IS NULL OR pg_get_triggerdef(pg_trigger.oid) LIKE '%old.*%' AS is_on_rows
FROM unnest(:names) AS given(name)
LEFT JOIN pg_trigger ON tgrelid = to_regclass(given.name)
    AND tgfoid = to_regprocedure('touch_row()') AND tgtype & 19 = 19 AND tgattr = ''
ORDER BY given.name, tgname
""").bindparams(bindparam("names", type_=ARRAY(Text)))


def touch(op: Operations, table: str, *, ignoring: Iterable[str] = ()) -> None:
    """Make every UPDATE of a row raise its version; for migrations, after create_table.

    `ignoring` names the columns whose changes do not raise the version: those that the model marks
    as BOOKKEEPING, and generated columns. Call it again to change them. The first call in a
    database creates the function `touch_row`, which stays when the tables are dropped.
    """
    for statement in _create_trigger(table, _QUOTED.quote(table), ignoring):
        op.execute(statement)


def create_tables(connection: Connection, metadata: MetaData) -> None:
    """Create the tables that are missing, and their triggers; for tests and examples.

    A service's own database is created by its migrations.
    """
    metadata.create_all(connection)
    for quoted, table in _versioned(metadata).items():
        for statement in _create_trigger(table.name, quoted, _ignored(table)):
            connection.exec_driver_sql(statement)


def check_tables(connection: Connection, metadata: MetaData) -> list[str]:
    """Say, in one sentence for each, which Resource's table lacks its trigger; one SELECT.

    Without the trigger versions stay as they are, and no write notices that it overwrites another
    one. A trigger that is disabled, or that ignores other columns than the model, is reported too.
    """
    tables = _versioned(metadata)
    found = connection.execute(_FIND_TRIGGERS, {"names": list(tables)})
    sentences = (_sentence(row, _ignored(tables[row.name])) for row in found)
    return [sentence for sentence in sentences if sentence is not None]


def _sentence(found: Row[Any], ignored: list[str]) -> str | None:
    if not found.is_there:
        return f"The table {found.name} does not exist."
    if found.tgname is None:
        return f"The table {found.name} has no trigger that calls touch_row: {_UNGUARDED}."
    trigger = f"The trigger {found.tgname} of the table {found.name}"
    if not found.is_enabled:
        return f"{trigger} is disabled: {_UNGUARDED}."
    arguments = bytes(found.tgargs).decode().split("\0")[:-1]
    if found.is_on_rows and set(arguments) != set(ignored):
        theirs, ours = (", ".join(sorted(names)) or "no column" for names in (arguments, ignored))
        return f"{trigger} ignores {theirs}, and the model {ours}."
    return None


def _ignored(table: Table) -> list[str]:
    """The columns whose changes do not raise the version.

    PostgreSQL computes generated ones after the trigger.
    """
    return [c.name for c in table.c if c.info.get(BOOKKEEPING) or c.computed is not None]


def _versioned(metadata: MetaData) -> dict[str, Table]:
    """The tables whose `version` the database raises, as a Resource says; by quoted names."""
    return {
        _QUOTED.format_table(table): table
        for table in metadata.sorted_tables
        if "version" in table.c and table.c.version.server_onupdate is not None
    }


def _create_trigger(name: str, quoted: str, ignoring: Iterable[str]) -> tuple[str, str]:
    arguments = ", ".join(f"'{column}'" for column in ignoring)
    # PostgreSQL refuses a condition on NEW.* where a column is generated; with arguments, the
    # function compares the rows itself.
    condition = "" if arguments else "WHEN (OLD.* IS DISTINCT FROM NEW.*) "
    return _ENSURE_TOUCH_ROW, (
        f"CREATE OR REPLACE TRIGGER {_QUOTED.quote(f'{name}_touch')} BEFORE UPDATE ON {quoted}"
        f" FOR EACH ROW {condition}EXECUTE FUNCTION touch_row({arguments})"
    )
