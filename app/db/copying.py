"""PostgreSQL's COPY text format, line by line, as a file that psycopg2 reads from."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import ARRAY, JSON, Integer, Uuid
from sqlalchemy.types import TypeDecorator

from .encoding import encoder
from .json_text import to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine

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
    base = type_.impl_instance if isinstance(type_, TypeDecorator) else type_
    if isinstance(base, JSON):
        return _json
    if isinstance(base, ARRAY):
        return _array
    return str if isinstance(base, Integer | Uuid) else _scalar


def _scalar(value: Any) -> str:
    return _text(value).translate(_ESCAPES)


def _json(value: Any) -> str:
    return to_json(value).replace("\\", "\\\\")  # JSON has escaped all the others


def _array(value: Sequence[Any]) -> str:
    return f"{{{','.join(map(_element, value))}}}".translate(_ESCAPES)


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    escaped = _text(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return f"\\x{value.hex()}"
    return value.isoformat() if isinstance(value, datetime) else str(value)
