"""PostgreSQL's COPY text format, line by line, as a file that psycopg2 reads from."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, JSON
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from .encoding import encoder, is_nested, to_json

NULL = "\\N"
_BATCH = 100  # lines
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


class Lines:
    """As much of a file as COPY needs: it reads, piece by piece."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._rest = b""
        self.error: Exception | None = None

    def read(self, size: int) -> bytes:
        try:
            return self._read(size)
        except Exception as error:
            self.error = error
            raise

    def _read(self, size: int) -> bytes:
        ready = self._rest
        while len(ready) < size and (batch := "".join(islice(self._lines, _BATCH))):
            ready += batch.encode()
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
            NULL if value is None else write(value)
            for write, value in zip(writers, row)  # noqa: B905 - checked above, once for all
        ]
        return "\t".join(written) + "\n"

    return Lines(map(line, rows))


def _writer(type_: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], str]:
    write, encode = _plain_writer(type_), encoder(type_, dialect)
    if encode is None:
        return write

    def write_encoded(value: Any) -> str:
        encoded = encode(value)
        return NULL if encoded is None else write(encoded)

    return write_encoded


def _plain_writer(type_: TypeEngine[Any]) -> Callable[[Any], str]:
    text = _text_writer(type_)
    return _scalar if text is _text else lambda value: text(value).translate(_ESCAPES)


def _text_writer(type_: TypeEngine[Any]) -> Callable[[Any], str]:
    """As PostgreSQL reads the type's values from text, before COPY's own escapes."""
    while isinstance(type_, TypeDecorator):
        type_ = type_.impl_instance
    if isinstance(type_, JSON):
        return to_json
    return _array_writer(type_) if isinstance(type_, ARRAY) else _text


def _scalar(value: Any) -> str:
    # Their texts need no escapes. Only the exact types: a value of any other may be any text.
    if type(value) is int or type(value) is UUID:
        return str(value)
    return _text(value).translate(_ESCAPES)


def _array_writer(type_: ARRAY[Any]) -> Callable[[Any], str]:
    text = _text_writer(type_.item_type)

    def write(values: Any, depth: int = 1) -> str:
        nested = is_nested(type_, values, depth)
        elements = [write(each, depth + 1) if nested else element(each) for each in values]
        return f"{{{','.join(elements)}}}"

    def element(value: Any) -> str:
        if value is None:
            return "NULL"
        escaped = text(value).replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'

    return write


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return f"\\x{value.hex()}"
    return value.isoformat() if isinstance(value, datetime) else str(value)
