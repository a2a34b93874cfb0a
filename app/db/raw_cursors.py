"""Raw cursors on a unit's connection: psycopg2's own, pandas', execute_values, COPY."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import psycopg2
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - psycopg2 names its class so

from .coherence import after_raw_statement, before_raw_statement
from .session import UnitOfWorkError

if TYPE_CHECKING:
    from .driver_connection import DriverConnection
    from .unit import UnitOfWork


class _RawCursor(Cursor):
    """Runs each statement inside the unit of work in which it was opened."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.unit: UnitOfWork | None = cast("DriverConnection", self.connection).unit

    def execute(self, query: Any, *args: Any, **options: Any) -> None:
        if isinstance(query, str):
            cast("DriverConnection", self.connection).check_text(query)
        with _inside_unit(self):
            super().execute(query, *args, **options)

    def executemany(self, *args: Any, **options: Any) -> None:
        with _inside_unit(self):
            super().executemany(*args, **options)

    def callproc(self, *args: Any, **options: Any) -> None:
        with _inside_unit(self):
            super().callproc(*args, **options)

    def copy_expert(self, *args: Any, **options: Any) -> None:
        with _inside_unit(self):
            super().copy_expert(*args, **options)

    def copy_from(self, *args: Any, **options: Any) -> None:
        with _inside_unit(self):
            super().copy_from(*args, **options)

    def copy_to(self, *args: Any, **options: Any) -> None:
        with _inside_unit(self):
            super().copy_to(*args, **options)


@lru_cache(maxsize=64)
def raw_cursor(factory: type[Cursor]) -> type[Cursor]:
    return type(f"Raw{factory.__name__}", (_RawCursor, factory), {})


@contextmanager
def _inside_unit(cursor: _RawCursor) -> Iterator[None]:
    """Around a statement of the cursor; raises UnitOfWorkError where its unit has ended."""
    unit = cursor.unit
    if unit is None or unit.closed:
        raise UnitOfWorkError("A raw cursor works only inside the unit of work it was opened in.")
    before_raw_statement(unit)
    unit.open_transaction()
    try:
        yield
        unit.check_not_ended()
    except psycopg2.Error as error:
        unit.fail(error)
        raise
    finally:
        after_raw_statement(unit)
