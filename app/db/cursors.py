"""Server-side cursors. psycopg2's own refuse to work in autocommit, so they are declared in SQL."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from sqlalchemy import ClauseElement, Executable, text
from sqlalchemy.ext.compiler import compiles

from .options import CHANGES_NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection, Row, Select
    from sqlalchemy.sql.compiler import SQLCompiler

_numbers = count(1)


class _Declare(Executable, ClauseElement):
    inherit_cache = False

    def __init__(self, name: str, statement: Select[Any]) -> None:
        self.name = name
        self.statement = statement


@compiles(_Declare)
def _compile(element: _Declare, compiler: SQLCompiler, **options: Any) -> str:
    select = compiler.process(element.statement, **options)
    return f"DECLARE {element.name} NO SCROLL CURSOR FOR {select}"


def stream(
    connection: Connection, statement: Select[Any], parameters: Mapping[str, Any], batch: int
) -> Iterator[Row[Any]]:
    """The rows of a SELECT, `batch` at a time: memory does not grow with their number.

    It needs a real transaction: a unit that writes, or one with an isolation.
    """
    name = f"stream_{next(_numbers)}"
    harmless = {CHANGES_NOTHING: True}
    connection.execute(_Declare(name, statement), parameters, execution_options=harmless)
    fetch = text(f"FETCH FORWARD {batch:d} FROM {name}").columns(*statement.selected_columns)
    while rows := connection.execute(fetch, execution_options=harmless).all():
        yield from rows
    connection.execute(text(f"CLOSE {name}"), execution_options=harmless)
