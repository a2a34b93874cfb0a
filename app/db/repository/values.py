"""Values that come from outside: which of them a column can be compared with."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Float, bindparam, cast
from sqlalchemy.types import TypeEngine

from ..encoding import is_text


def typed_bind(name: str, type_: TypeEngine[Any]) -> ColumnElement[Any]:
    """A bind parameter to compare a column of this type with.

    To PostgreSQL a number in a statement is numeric, and no REAL equals the same number as that.
    """
    value = bindparam(name, type_=type_)
    return cast(value, type_) if isinstance(type_, Float) else value


def is_value(kind: type, value: Any) -> bool:
    """Whether it is of this type, strictly, and PostgreSQL can read it."""
    if isinstance(value, bool):
        return kind is bool
    if isinstance(value, str) and not is_text(value):
        return False
    if kind in (float, Decimal):
        return isinstance(value, int | kind)
    return isinstance(value, kind) and not (kind is date and isinstance(value, datetime))


def as_parameter(value: Any) -> Any:
    """As psycopg2 has to get it: it writes an infinite Decimal as NaN."""
    return str(value) if isinstance(value, Decimal) and value.is_infinite() else value
