"""Driver errors become the errors of `errors`, by SQLSTATE and by constraint name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from .errors import (
    ApplicationError,
    ConnectionLost,
    Contention,
    DatabaseUnreachable,
    LockTimeout,
    NotPermitted,
    ReadOnlyViolation,
    StatementTimeout,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.engine import ExceptionContext

_BY_SQLSTATE: dict[str, tuple[type[ApplicationError], str]] = {
    "40001": (Contention, "Another unit of work changed the same rows first."),
    "40P01": (Contention, "Two units of work waited for each other."),
    "55P03": (LockTimeout, "Another unit of work held the rows for too long."),
    "57014": (StatementTimeout, "The statement took longer than it may."),
    "42501": (NotPermitted, "The database's user may not do this: {said}."),
    "25006": (ReadOnlyViolation, "A read-only unit of work tried to write."),
    "25P03": (ConnectionLost, "The unit of work was idle for too long."),
    "57P01": (ConnectionLost, "The database is shutting down."),
    "57P02": (ConnectionLost, "The database crashed and is recovering."),
    "57P03": (DatabaseUnreachable, "The database is starting up or shutting down."),
    "53300": (DatabaseUnreachable, "The database takes no more connections."),
}


def translate(
    context: ExceptionContext, violations: Mapping[str, Callable[[], ApplicationError]]
) -> ApplicationError | None:
    """The domain error for what the driver reported, or None where it is a bug of ours."""
    error = context.original_exception
    if not isinstance(context.sqlalchemy_exception, DBAPIError):
        return None
    told = getattr(error, "diag", None)
    constraint = getattr(told, "constraint_name", None)
    if constraint is not None and constraint in violations:
        return violations[constraint]()
    sqlstate = getattr(error, "pgcode", None)
    if sqlstate in _BY_SQLSTATE:
        kind, message = _BY_SQLSTATE[sqlstate]
        return kind(message.format(said=getattr(told, "message_primary", None)))
    if context.connection is None:
        return DatabaseUnreachable("The database can't be reached.")
    if context.is_disconnect:
        return ConnectionLost("The connection to the database was lost.")
    return None
