"""Driver errors become the errors of `errors`, by SQLSTATE and by constraint name."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Integer, SmallInteger, String
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeDecorator, TypeEngine

from . import errors
from .encoding import ROWS, is_text
from .errors import ApplicationError, Invalid, Mistake
from .fields import field_of

_BY_SQLSTATE: dict[str, tuple[type[ApplicationError], str]] = {
    "40001": (errors.Contention, "Another unit of work changed the same rows first."),
    "40P01": (errors.Contention, "Two units of work waited for each other."),
    "55P03": (errors.LockTimeout, "Another unit of work held the rows for too long."),
    "57014": (errors.StatementTimeout, "The statement took longer than it may."),
    "42501": (errors.NotPermitted, "The database's user may not do this: {said}."),
    "25006": (errors.ReadOnlyViolation, "A read-only unit of work tried to write."),
    "25P03": (errors.ConnectionLost, "The unit of work was idle for too long."),
    "57P01": (errors.ConnectionLost, "The database is shutting down."),
    "57P02": (errors.ConnectionLost, "The database crashed and is recovering."),
    "57P03": (errors.DatabaseUnreachable, "The database is starting up or shutting down."),
    "53300": (errors.DatabaseUnreachable, "The database takes no more connections."),
}


_CANCELLED = "canceling statement due to user request"
_STILL_REFERENCED = "update or delete on table"
_INPUT_FAILED = "error in .read() call"
_REQUIRED = "23502"
_REFUSED = frozenset({"22001", "22003", "22007", "22008", "22021", "22P02", "22P05"})
_NO_TEXT = ("NUL (0x00)", "surrogates not allowed")  # as psycopg2, Python and orjson say it
_COPIED = re.compile(r"COPY .*, line \d+, column ([^:]+)")


def translate(
    context: ExceptionContext, violations: Mapping[str, Callable[[], ApplicationError]]
) -> ApplicationError | None:
    """The domain error for what the driver reported, or None where it is a bug."""
    error: Any = context.original_exception
    code = getattr(error, "pgcode", None)
    _hide_values(error, code, context.sqlalchemy_exception)
    if (refused := _refused_value(context, error, code)) is not None:
        return refused
    if not isinstance(context.sqlalchemy_exception, DBAPIError):
        return None
    reported: Any = getattr(error, "diag", None)
    message = str(getattr(reported, "message_primary", None) or "")
    if message.startswith(_STILL_REFERENCED):
        return errors.StillReferenced(str(reported.table_name))
    constraint = getattr(reported, "constraint_name", None)
    if constraint is not None and constraint in violations:
        return violations[constraint]()
    if code in _BY_SQLSTATE:
        return _of_sqlstate(code, message)
    return _of_connection(context)


def _of_connection(context: ExceptionContext) -> ApplicationError | None:
    if context.connection is None:
        return errors.DatabaseUnreachable("The database can't be reached.")
    lost = errors.ConnectionLost("The connection to the database was lost.")
    return lost if context.is_disconnect else None


def _of_sqlstate(sqlstate: str, message: str) -> ApplicationError | None:
    """By 57014 PostgreSQL reports a timeout, a cancelled statement, and a COPY whose input failed.

    Only the message distinguishes them. In another language than English a cancelled statement
    counts as a timeout; what psycopg2 says of the input is in English everywhere.
    """
    if sqlstate == "57014" and _INPUT_FAILED in message:
        return None
    if sqlstate == "57014" and message == _CANCELLED:
        return errors.StatementCancelled("The statement was cancelled in the database.")
    kind, text = _BY_SQLSTATE[sqlstate]
    return kind(text.format(said=message))


def _hide_values(error: Any, code: str | None, wrapped: BaseException | None) -> None:
    """Keep the values of rows out of the error's text: it is logged, and they are personal data.

    PostgreSQL quotes rows in DETAIL and CONTEXT, the statement with its parameters in LINE, and the
    value itself in the message of a data exception (class 22).
    """
    if code is None:
        return
    name = type(error).__name__
    error.args = (name if code.startswith("22") else error.diag.message_primary,)
    if wrapped is not None:
        wrapped.args = (f"({type(error).__module__}.{name}) {error.args[0]}",)


def _refused_value(context: ExceptionContext, error: Any, code: str | None) -> Invalid | None:
    """The error for a value that is missing, too large, too long or no text."""
    if code == _REQUIRED:
        required = _field(context, error.diag.column_name)
        return Invalid([Mistake((required,), "required", "It is required.")])
    is_of_value = isinstance(error, TypeError | ValueError)
    is_no_text = is_of_value and any(words in str(error) for words in _NO_TEXT)
    if code not in _REFUSED and not is_no_text:
        return None
    copied = code and _COPIED.match(error.diag.context or "")
    field = _field(context, copied[1]) if copied else next(_unfit_fields(context), None)
    path: tuple[str, ...] = () if field is None else (field,)
    return Invalid([Mistake(path, "invalid", "The database cannot store this value.")])


def _field(context: ExceptionContext, column: str) -> str:
    """The name that the model has for a column of the statement's table."""
    return {each.name: field_of(each) for each in _columns(context)}.get(column, column)


def _columns(context: ExceptionContext) -> Any:
    table: Any = getattr(context.execution_context, "invoked_statement", None)
    return getattr(getattr(table, "table", None), "c", ())


def _unfit_fields(context: ExceptionContext) -> Iterator[str]:
    """The fields of the statement's parameters whose values their columns cannot hold."""
    execution: Any = context.execution_context
    types = {field_of(column): column.type for column in _columns(context)}
    for parameters in getattr(execution, "compiled_parameters", None) or ():
        binds = execution.compiled.binds
        for name, value in parameters.items():
            if name in binds and not _fits(binds[name].type, value):
                yield name.removeprefix("uw_new_")
        for row in parameters.get(ROWS, ()):
            yield from (name for name in row if not _fits(types[name], row[name]))


def _fits(type_: TypeEngine[Any], value: Any) -> bool:
    if isinstance(type_, TypeDecorator):
        return _fits(type_.impl_instance, value)
    if isinstance(type_, ARRAY) and isinstance(value, list):
        return all(_fits(type_.item_type, each) for each in value)
    if isinstance(type_, Integer) and isinstance(value, int):
        is_big, is_small = isinstance(type_, BigInteger), isinstance(type_, SmallInteger)
        return value.bit_length() < (64 if is_big else 16 if is_small else 32)
    if isinstance(type_, String) and isinstance(value, str):
        return len(value) <= (type_.length or len(value)) and is_text(value)
    return True
