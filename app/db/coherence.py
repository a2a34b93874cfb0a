"""Core and ORM see the same rows: flush before a Core statement, expire after it.

A SELECT that calls a function which writes must be text, so that it counts as unrecognised.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Delete, Insert, Update, inspect
from sqlalchemy.orm import SessionTransaction
from sqlalchemy.sql.elements import (
    ReleaseSavepointClause,
    RollbackToSavepointClause,
    SavepointClause,
)

from .effects import (
    EVERYTHING,
    NOTHING,
    Effect,
    consequences,
    effect_of,
    may_remove_rows,
)
from .marks import CHANGES_NOTHING

if TYPE_CHECKING:
    from .open_unit import OpenUnit


class Execution(Protocol):
    """The execution of a statement: SQLAlchemy's own context, or that of a prepared statement."""

    invoked_statement: Any
    compiled: Any
    compiled_parameters: Any
    statement: Any
    execution_options: Any
    effect: Effect


_SAVEPOINT_STATEMENTS = (SavepointClause, ReleaseSavepointClause, RollbackToSavepointClause)


def before_statement(unit: OpenUnit, context: Execution) -> None:
    if isinstance(context.invoked_statement, _SAVEPOINT_STATEMENTS):
        _before_savepoint_statement(unit, context.invoked_statement)
        return
    unit.check_alive()
    session = unit.session
    if session is None:
        return
    if session.in_flush:
        session.check_versions()
        context.effect = _effect_in_flush(unit, context)
        return
    context.effect = _effect(unit, context)
    if not session.flushing:
        session.flush()
        if may_remove_rows(context.effect):
            session.load_expired()  # while their rows can still be read


def after_statement(unit: OpenUnit, context: Execution) -> None:
    if isinstance(context.invoked_statement, _SAVEPOINT_STATEMENTS):
        _after_savepoint_statement(unit, context.invoked_statement)
    elif unit.session is not None and context.effect != NOTHING:
        unit.session.expire_rows(context.effect)


def before_raw_statement(unit: OpenUnit) -> None:
    """As `before_statement`, for a cursor that SQLAlchemy does not know."""
    unit.check_alive()
    if unit.session is not None and not unit.session.flushing:
        unit.session.flush()
        unit.session.load_expired()


def after_raw_statement(unit: OpenUnit) -> None:
    if unit.session is not None and not unit.mode.read_only:
        unit.session.expire_rows()


def _effect(unit: OpenUnit, context: Execution) -> Effect:
    if context.execution_options.get(CHANGES_NOTHING):
        return NOTHING
    sql, names = context.statement or "", _parameter_names(context)
    effect = effect_of(context.invoked_statement, context.compiled, sql, names)
    is_refused = effect is EVERYTHING and unit.mode.read_only
    return NOTHING if is_refused else effect


def _effect_in_flush(unit: OpenUnit, context: Execution) -> Effect:
    """The session knows what the flush itself writes, but not what the database adds to it."""
    statement = context.invoked_statement
    if not isinstance(statement, Insert | Update | Delete) or not _is_of_flush(context):
        return _effect(unit, context)
    return consequences(statement, _parameter_names(context))


def _is_of_flush(context: Execution) -> bool:
    """Whether the flush itself executes a statement, and not a listener for a mapper's events.

    The statements of mappers have a cache of their own; those of `secondary` tables have no mark.
    """
    if "compiled_cache" in context.execution_options:
        return True
    frame: Any = sys._getframe(1)  # noqa: SLF001 - documented, and the caller is the only mark
    while frame.f_globals["__name__"].startswith(
        (__package__, "sqlalchemy.engine", "sqlalchemy.sql")
    ):
        frame = frame.f_back
    return bool(frame.f_globals["__name__"] == "sqlalchemy.orm.dependency")


def _parameter_names(context: Execution) -> frozenset[str]:
    has_names = context.compiled is not None and context.compiled_parameters
    return frozenset(context.compiled_parameters[0]) if has_names else frozenset()


def _before_savepoint_statement(unit: OpenUnit, statement: Any) -> None:
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


def _after_savepoint_statement(unit: OpenUnit, statement: Any) -> None:
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
