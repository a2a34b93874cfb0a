"""The output of commands: tables for people, JSON for programs. Control characters are escaped."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

import click
import orjson
from sqlalchemy import inspect

from app.db.listing import format_timestamp
from app.db.marks import INTERNAL, SECRET
from app.printable import printable, printable_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy import Column

    from app.db import Record, Resource

T = TypeVar("T")

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")


def print_line(text: str) -> None:
    """Print one line; a line feed in it is escaped."""
    click.echo(printable(text))  # noqa: TID251 - the one place that prints


def print_text(text: str) -> None:
    """Print text of several lines."""
    click.echo(printable_lines(text))  # noqa: TID251 - same


def print_json(value: object) -> None:
    """Print a value as JSON. `printable` escapes characters only inside strings: it stays JSON."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z
    print_text(orjson.dumps(value, option=options).decode())


def print_table(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> None:
    """Print these columns of the rows, aligned, under their names in capitals."""
    cells = [[_shown(row[column]) for column in columns] for row in rows]
    lines = [[column.upper() for column in columns], *cells]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print_line("  ".join(padded).rstrip())


def print_fields(row: Mapping[str, object]) -> None:
    """Print one row, a line for each name and its value."""
    width = max(map(len, row))
    for name, value in row.items():
        print_line(f"{name.ljust(width)}  {_shown(value)}".rstrip())


def with_progress(rows: Iterable[T], *, label: str) -> AbstractContextManager[Iterable[T]]:
    """The same rows, with a progress bar on stderr where that is a terminal."""
    quiet = not sys.stderr.isatty()
    return click.progressbar(rows, label=label, show_pos=True, file=sys.stderr, hidden=quiet)


def as_record(entity: Resource) -> Record:
    """The values of the entity's columns, by the names that the API uses; no internal ones."""
    columns: Iterable[Column[object]] = inspect(type(entity)).columns
    return {
        str(c.name): getattr(entity, c.key)  # JSON's keys must be plain strings
        for c in columns
        if not c.info.keys() & {INTERNAL, SECRET}
    }


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return format_timestamp(value)
    if isinstance(value, dict | list):
        return printable(orjson.dumps(value).decode())
    return printable(str(value))
