"""How values are written: as JSON, in which bulk rows are sent, and in COPY's text format."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import ARRAY, JSON, DateTime, Enum, Float, Interval, Numeric
from sqlalchemy.dialects.postgresql import INTERVAL
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

Encode = Callable[[Any], Any]

ROWS = "inserted_rows"
"""The bind parameter of an INSERT that has its rows as JSON, by the names of the fields."""

_INT64 = range(-(2**63), 2**63)

_NULL = "\\N"
_BATCH = 100  # lines
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def is_text(text: str) -> bool:
    """PostgreSQL stores neither NUL nor half of a surrogate pair."""
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def to_json(value: object) -> str:
    """Raises TypeError for what JSON cannot hold. NaN becomes null."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_UTC_Z).decode()


def _plain(value: object) -> str:
    """Bytes and decimals become text, as PostgreSQL reads them from it."""
    if isinstance(value, bytes | bytearray | memoryview | Decimal):
        return _text(value)
    raise TypeError(f"{type(value).__name__} can't be written as JSON.")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return f"\\x{value.hex()}"
    return value.isoformat() if isinstance(value, datetime) else str(value)


# Per type


def encoder(type_: TypeEngine[Any], dialect: Dialect, *, json: bool = False) -> Encode | None:
    """The function that encodes a value of the type, for `json` or as text. None: no change.

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
        element = encoder(type_.item_type, dialect, json=json)
        return None if element is None else _each(type_, element, list)
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


def _each(type_: ARRAY[Any], encode: Encode, collect: Callable[[list[Any]], Any]) -> Encode:
    """For an array of that type: encode each element, and collect them at each depth.

    Whether its values are arrays again is known by its dimensions, else by its first value.
    """

    def each(values: Any, depth: int = 1) -> Any:
        if values is None:
            return None
        is_nested = bool(values) and isinstance(values[0], list | tuple)
        if type_.dimensions is not None:
            is_nested = depth < type_.dimensions
        return collect([each(v, depth + 1) if is_nested else encode(v) for v in values])

    return each


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


# COPY


class Lines:
    """The part of a file that psycopg2 needs for COPY: `read`, piece by piece."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._rest = b""
        self.error: Exception | None = None

    def read(self, size: int) -> bytes:
        try:
            ready = self._rest
            while len(ready) < size and (batch := "".join(islice(self._lines, _BATCH))):
                ready += batch.encode()
        except Exception as error:
            self.error = error
            raise
        self._rest = ready[size:]
        return ready[:size]


def copy_lines(
    types: Sequence[TypeEngine[Any]],
    rows: Iterable[Sequence[Any]],
    dialect: Dialect,
    *,
    added: int = 0,
) -> Lines:
    """The rows' values, each written as its column's type needs it.

    The first `added` values of a row are not the caller's: errors do not count them.
    """
    writers = [_writer(type_, dialect) for type_ in types]
    count = len(writers)

    def line(row: Sequence[Any]) -> str:
        if len(row) != count:
            given, wanted = len(row) - added, count - added
            raise ValueError(f"A row has {given} values for {wanted} columns.")
        written = [
            _NULL if value is None else write(value)
            for write, value in zip(writers, row)  # noqa: B905 - checked above, once for all
        ]
        return "\t".join(written) + "\n"

    return Lines(map(line, rows))


def _writer(type_: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], str]:
    text, encode = _text_writer(type_), encoder(type_, dialect)

    def escaped(value: Any) -> str:
        return text(value).translate(_ESCAPES)

    write = _scalar if text is _text else escaped
    if encode is None:
        return write

    def write_encoded(value: Any) -> str:
        encoded = encode(value)
        return _NULL if encoded is None else write(encoded)

    return write_encoded


def _scalar(value: Any) -> str:
    # Their texts need no escapes. Only the exact types: a value of any other may be any text.
    if type(value) is int or type(value) is UUID:
        return str(value)
    return _text(value).translate(_ESCAPES)


def _text_writer(type_: TypeEngine[Any]) -> Callable[[Any], str]:
    """As PostgreSQL reads the type's values from text, before COPY's own escapes."""
    while isinstance(type_, TypeDecorator):
        type_ = type_.impl_instance
    if isinstance(type_, JSON):
        return to_json
    if not isinstance(type_, ARRAY):
        return _text
    text = _text_writer(type_.item_type)

    def element(value: Any) -> str:
        if value is None:
            return "NULL"
        escaped = text(value).replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'

    return _each(type_, element, lambda elements: f"{{{','.join(elements)}}}")
