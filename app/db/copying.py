"""PostgreSQL's COPY text format, line by line, as a file that psycopg2 reads from."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import ARRAY, JSON, Integer, Uuid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sqlalchemy.types import TypeEngine

NULL = "\\N"
_BATCH = 100  # lines
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


class Lines:
    """As much of a file as COPY needs: it reads, piece by piece."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._rest = ""
        self.error: Exception | None = None

    def read(self, size: int) -> str:
        try:
            return self._read(size)
        except Exception as error:
            self.error = error
            raise

    def _read(self, size: int) -> str:
        ready = self._rest
        while len(ready) < size and (batch := "".join(islice(self._lines, _BATCH))):
            ready += batch
        self._rest = ready[size:]
        return ready[:size]


def copy_lines(types: Sequence[TypeEngine[Any]], rows: Iterable[Sequence[Any]]) -> Lines:
    """The rows' values, each written as its column's type needs it."""
    writers = [_writer(type_) for type_ in types]
    count = len(writers)

    def line(row: Sequence[Any]) -> str:
        if len(row) != count:
            raise ValueError(f"A row has {len(row)} values for {count} columns.")
        written = [
            NULL if value is None else write(value)
            for write, value in zip(writers, row)  # noqa: B905 - checked above, once for all
        ]
        return "\t".join(written) + "\n"

    return Lines(map(line, rows))


def _writer(type_: TypeEngine[Any]) -> Callable[[Any], str]:
    if isinstance(type_, JSON) or isinstance(getattr(type_, "impl", None), JSON):
        return _json
    if isinstance(type_, ARRAY):
        return _array
    return str if isinstance(type_, Integer | Uuid) else _scalar


def _scalar(value: Any) -> str:
    return _text(value).translate(_ESCAPES)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode().replace("\\", "\\\\")  # JSON has escaped all the others


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
