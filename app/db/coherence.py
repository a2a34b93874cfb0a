"""Core and ORM see the same rows: flush before a Core statement, expire after it.

A SELECT that calls a function which writes must be text, so that it counts as unrecognised.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Delete, Insert, Select, Table, Update
from sqlalchemy.sql.elements import (
    ReleaseSavepointClause,
    RollbackToSavepointClause,
    SavepointClause,
)
from sqlalchemy.sql.selectable import CompoundSelect

if TYPE_CHECKING:
    from sqlalchemy import Executable
    from sqlalchemy.engine import Compiled

    from .session import UnitSession
    from .unit import UnitOfWork

_KEEPING_ROWS = (Select, CompoundSelect, Insert, Update, SavepointClause, ReleaseSavepointClause)
_RECOGNISED = (Select, CompoundSelect, Insert, Update, Delete)
_SAVEPOINTS = (SavepointClause, ReleaseSavepointClause, RollbackToSavepointClause)


def before_statement(unit: UnitOfWork, statement: Executable | None) -> None:
    if isinstance(statement, RollbackToSavepointClause):
        return
    unit.check_alive()
    session = unit.session
    if session is not None and not session.flushing:
        session.flush()
        if not isinstance(statement, _KEEPING_ROWS):
            session.load_expired()  # while their rows are still there to be read


def after_statement(
    unit: UnitOfWork, statement: Executable | None, compiled: Compiled | None
) -> None:
    session = unit.session
    if session is None or session.flushing or isinstance(statement, _SAVEPOINTS):
        return
    if not isinstance(statement, _RECOGNISED) or _has_changing_cte(compiled):
        session.expire_rows()
    elif isinstance(statement, Insert | Update | Delete):
        _expire(session, statement)


def _expire(session: UnitSession, statement: Insert | Update | Delete) -> None:
    table: Any = statement.table
    cascades = isinstance(statement, Delete) and _cascades(table)
    if not isinstance(table, Table) or cascades or table.info.get("side_effects"):
        session.expire_rows()
    else:
        session.expire_rows(table, only_added=not _changes_rows(statement))


def _has_changing_cte(compiled: Compiled | None) -> bool:
    return any(_changes_rows(cte.element) for cte in getattr(compiled, "ctes", None) or ())


def _changes_rows(statement: Any) -> bool:
    """Whether rows that were there before may differ now: a plain INSERT only adds some."""
    if isinstance(statement, Insert):
        upsert = statement._post_values_clause is not None  # noqa: SLF001 - no public way to ask
        table: Any = statement.table
        return upsert or bool(table.info.get("side_effects"))
    return isinstance(statement, Update | Delete)


@lru_cache(maxsize=256)
def _cascades(table: Table) -> bool:
    """Whether a DELETE of this table's rows makes the database change other tables."""
    return any(
        key.column.table.fullname == table.fullname and key.ondelete not in (None, "RESTRICT")
        for other in table.metadata.tables.values()
        for key in other.foreign_keys
    )
