"""Driver errors become the errors of `errors`, by SQLSTATE and by constraint name."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError

from .errors import (
    ApplicationError,
    ConnectionLost,
    Contention,
    DatabaseUnreachable,
    LockTimeout,
    NotPermitted,
    ReadOnlyViolation,
    StatementCancelled,
    StatementTimeout,
    StillReferenced,
)
from .refused_values import refused_value

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


_CANCELLED = "canceling statement due to user request"
_STILL_REFERENCED = "update or delete on table"
_INPUT_FAILED = "error in .read() call"


def translate(
    context: ExceptionContext, violations: Mapping[str, Callable[[], ApplicationError]]
) -> ApplicationError | None:
    """The domain error for what the driver reported, or None where it is a bug of ours."""
    error = context.original_exception
    _hide_values(error, context.sqlalchemy_exception)
    if (refused := refused_value(context)) is not None:
        return refused
    if not isinstance(context.sqlalchemy_exception, DBAPIError):
        return None
    reported = getattr(error, "diag", None)
    constraint = getattr(reported, "constraint_name", None)
    if reported is not None and str(reported.message_primary).startswith(_STILL_REFERENCED):
        return StillReferenced(str(reported.table_name))
    if constraint is not None and constraint in violations:
        return violations[constraint]()
    if (sqlstate := getattr(error, "pgcode", None)) in _BY_SQLSTATE:
        return _of_sqlstate(sqlstate, getattr(reported, "message_primary", None) or "")
    return _of_connection(context)


def _of_connection(context: ExceptionContext) -> ApplicationError | None:
    if context.connection is None:
        return DatabaseUnreachable("The database can't be reached.")
    if context.is_disconnect:
        return ConnectionLost("The connection to the database was lost.")
    return None


def _of_sqlstate(sqlstate: str, message: str) -> ApplicationError | None:
    """By 57014 PostgreSQL reports a timeout, a cancelled statement, and a COPY whose input failed.

    Only the message distinguishes them. In another language than English a cancelled statement
    counts as a timeout; what psycopg2 says of the input is in English everywhere.
    """
    if sqlstate == "57014" and _INPUT_FAILED in message:
        return None
    if sqlstate == "57014" and message == _CANCELLED:
        return StatementCancelled("The statement was cancelled in the database.")
    kind, text = _BY_SQLSTATE[sqlstate]
    return kind(text.format(said=message))


def _hide_values(error: Any, wrapped: BaseException | None) -> None:
    """Keep the values of rows out of the error's text: they are about people, and it is logged.

    PostgreSQL quotes rows in DETAIL and CONTEXT, the statement with its parameters in LINE, and the
    value itself in the message of a data exception (class 22).
    """
    code = getattr(error, "pgcode", None)
    if code is None:
        return
    name = type(error).__name__
    error.args = (name if code.startswith("22") else error.diag.message_primary,)
    if wrapped is not None:
        wrapped.args = (f"({type(error).__module__}.{name}) {error.args[0]}",)
