"""The error for a value that PostgreSQL refused, with the field that holds it.

PostgreSQL names the column of a NULL and of a value in COPY, but of no other value out of range.
"""

import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Integer, SmallInteger, String
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.types import TypeDecorator, TypeEngine

from .encoding import ROWS, is_text
from .errors import Invalid, Mistake
from .fields import field_of

_REQUIRED = "23502"
_REFUSED = frozenset({"22001", "22003", "22007", "22008", "22021", "22P02", "22P05"})
_NO_TEXT = ("NUL (0x00)", "surrogates not allowed")  # as psycopg2, Python and orjson say it
_COPIED = re.compile(r"COPY .*, line \d+, column ([^:]+)")


def refused_value(context: ExceptionContext) -> Invalid | None:
    """The error for a value that is missing, too large, too long or no text."""
    error: Any = context.original_exception
    code = getattr(error, "pgcode", None)
    if code == _REQUIRED:
        path = (_field(context, error.diag.column_name),)
        return Invalid([Mistake(path, "required", "It is required.")])
    if code not in _REFUSED and not _is_no_text(error):
        return None
    copied = code and _COPIED.match(error.diag.context or "")
    field = _field(context, copied[1]) if copied else next(_unfit_fields(context), None)
    return Invalid(
        [
            Mistake(
                () if field is None else (field,),
                "invalid",
                "The database cannot store this value.",
            )
        ]
    )


def _is_no_text(error: BaseException) -> bool:
    is_of_value = isinstance(error, TypeError | ValueError)
    return is_of_value and any(words in str(error) for words in _NO_TEXT)


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
        return value.bit_length() < _bits(type_)
    if isinstance(type_, String) and isinstance(value, str):
        return len(value) <= (type_.length or len(value)) and is_text(value)
    return True


def _bits(type_: Integer) -> int:
    return 64 if isinstance(type_, BigInteger) else 16 if isinstance(type_, SmallInteger) else 32
