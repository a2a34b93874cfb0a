"""Records as a file: CSV for spreadsheets and people, lines of JSON for programs."""

from __future__ import annotations

import io
import json
from datetime import datetime
from typing import IO, TYPE_CHECKING

import orjson

from app.cli.kit.spreadsheets import write_csv
from app.db.listing import format_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from app.db import Record

    Write = Callable[[IO[bytes], Sequence[str], Iterable[Record]], None]

_LINES_OF_JSON = (".ndjson", ".jsonl")


def format_of(name: str) -> str:
    """The format of a file of this name, a key of WRITERS."""
    return "ndjson" if name.lower().endswith(_LINES_OF_JSON) else "csv"


def _as_csv(file: IO[bytes], names: Sequence[str], records: Iterable[Record]) -> None:
    text = io.TextIOWrapper(file, "utf-8", newline="")
    try:
        write_csv(text, names, ({name: _cell(of[name]) for name in names} for of in records))
    finally:
        text.detach()  # or it would close the file


def _as_lines(file: IO[bytes], names: Sequence[str], records: Iterable[Record]) -> None:
    for record in records:
        file.write(_json({name: record[name] for name in names}) + b"\n")


WRITERS: dict[str, Write] = {"csv": _as_csv, "ndjson": _as_lines}


def _cell(value: object) -> str | None:
    if isinstance(value, datetime):
        return format_timestamp(value)
    if isinstance(value, dict | list):
        return _json(value).decode()
    return None if value is None else str(value)


def _json(value: object) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_UTC_Z)
    except TypeError:  # a number beyond 64 bits
        return json.dumps(value, ensure_ascii=False, default=_cell, separators=(",", ":")).encode()
