"""What a session does when a savepoint is set, released or rolled back, by Core or by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, inspect
from sqlalchemy.orm import SessionTransaction
from sqlalchemy.sql.elements import (
    ReleaseSavepointClause,
    RollbackToSavepointClause,
    SavepointClause,
)

if TYPE_CHECKING:
    from .unit import UnitOfWork

SAVEPOINT_STATEMENTS = (SavepointClause, ReleaseSavepointClause, RollbackToSavepointClause)


class Savepoint(NamedTuple):
    """Its number in the unit, from 1, and how many hooks there were when it was set."""

    number: int
    hooks: int


class CoreSavepoint(SessionTransaction):
    """Follows a savepoint that Core has set, so that the session takes back what it undoes.

    It sends nothing itself: the statements are Core's.
    """

    def _connection_for_bind(self, bind: Any, execution_options: Any) -> Connection:
        outside: Any = self.parent
        connection: Connection = outside._connection_for_bind(bind, execution_options)  # noqa: SLF001 - the same method of its own class
        return connection


def before_savepoint_statement(unit: UnitOfWork, statement: Any) -> None:
    """Make sure that there is a session, and that it joined the transaction outside."""
    if isinstance(statement, RollbackToSavepointClause):
        if unit.session is not None:
            unit.session.versions.note(map(inspect, unit.session.identity_map.values()))
        return
    unit.check_alive()
    unit.check_has_savepoints()
    session = unit.open_session()
    if isinstance(statement, ReleaseSavepointClause):
        session.flush()
    elif not session.sets_savepoint:
        session.connection()
        session.flush()


def after_savepoint_statement(unit: UnitOfWork, statement: Any) -> None:
    session = unit.open_session()
    name = statement.ident
    if isinstance(statement, SavepointClause):
        unit.set_savepoint(name)
        if not session.sets_savepoint:
            session.follow_savepoint(name)
        session.enter_savepoint()
    elif isinstance(statement, ReleaseSavepointClause):
        session.versions.release(session.innermost_savepoint)
        session.end_core_savepoint(name, SessionTransaction.commit)
    else:
        unit.undo_savepoint(name)
        session.end_core_savepoint(name, SessionTransaction.rollback)
