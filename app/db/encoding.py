"""Which text PostgreSQL stores, and how the types of columns encode the values of bulk rows."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
from sqlalchemy import ARRAY, DateTime, Enum, Float, Interval, Numeric
from sqlalchemy.dialects.postgresql import INTERVAL
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

Encode = Callable[[Any], Any]


ROWS = "inserted_rows"
"""The bind parameter of an INSERT that has its rows as JSON, by the names of the fields."""

_INT64 = range(-(2**63), 2**63)


def is_text(text: str) -> bool:
    """PostgreSQL stores neither NUL nor half of a surrogate pair."""
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def encoder(type_: TypeEngine[Any], dialect: Dialect, *, json: bool = False) -> Encode | None:
    """What the type does to a value before it is written, for `json` or as text; None: nothing.

    JSON, bytes and times stay as they are: the writers know them.
    """
    if isinstance(type_, Interval | INTERVAL):
        return _interval
    if isinstance(type_, DateTime) and not type_.timezone:
        return _without_zone
    if isinstance(type_, TypeDecorator):
        inner = encoder(type_.impl_instance, dialect, json=json)
        return _decorated(type_, dialect, inner)
    if isinstance(type_, ARRAY):
        return _each(type_, encoder(type_.item_type, dialect, json=json))
    if isinstance(type_, Enum):
        return type_.dialect_impl(dialect).bind_processor(dialect)
    return _number if json and isinstance(type_, Float | Numeric) else None


def _decorated(type_: TypeDecorator[Any], dialect: Dialect, inner: Encode | None) -> Encode | None:
    if type(type_).process_bind_param is TypeDecorator.process_bind_param:
        return inner

    def encode(value: Any) -> Any:
        bound = type_.process_bind_param(value, dialect)
        return bound if inner is None else inner(bound)

    return encode


def _each(type_: ARRAY[Any], encode: Encode | None) -> Encode | None:
    if encode is None:
        return None

    def each(values: Any, depth: int = 1) -> Any:
        if values is None:
            return None
        if is_nested(type_, values, depth):
            return [each(value, depth + 1) for value in values]
        return [encode(value) for value in values]

    return each


def is_nested(type_: ARRAY[Any], values: Any, depth: int) -> bool:
    """Whether the values of an array are arrays: by its dimensions, else by its first value."""
    if type_.dimensions is not None:
        return depth < type_.dimensions
    return bool(values) and isinstance(values[0], list | tuple)


def _number(value: Any) -> Any:
    """JSON has no NaN and no infinity, and orjson writes no integers of more than 64 bits."""
    if value is None or (isinstance(value, float) and value - value == 0):
        return value
    return value if isinstance(value, int) and value in _INT64 else str(value)


def _without_zone(value: Any) -> Any:
    """In UTC, the zone of every unit: PostgreSQL would leave out the offset of such a text."""
    is_aware = isinstance(value, datetime) and value.tzinfo is not None
    return value.astimezone(UTC).replace(tzinfo=None) if is_aware else value


def _interval(value: timedelta | None) -> str | None:
    if value is None:
        return None
    return f"{value.days} days {value.seconds} seconds {value.microseconds} microseconds"


def to_json(value: object) -> str:
    """Raises TypeError for what JSON cannot hold. NaN becomes null."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_UTC_Z).decode()


def _plain(value: object) -> str:
    """Bytes and decimals become text, as PostgreSQL reads them from it."""
    if isinstance(value, bytes | bytearray | memoryview):
        return f"\\x{value.hex()}"
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} can't be written as JSON.")
