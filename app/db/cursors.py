"""Server-side cursors: `stream_results`, `yield_per` and the streams of repositories."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from psycopg2 import extensions

from .errors import UnitOfWorkError

if TYPE_CHECKING:
    from .unit import UnitOfWork

_numbers = count(1)


class ServerCursor(extensions.cursor):
    """The rows of a SELECT, `batch` at a time. psycopg2's own named cursors refuse to work in
    autocommit, so this one is declared in SQL."""

    batch = 1000
    _unit: UnitOfWork | None = None
    _name = ""
    _has_more = False

    def declare(self, select: str, batch: int) -> str:
        """The SQL to execute instead; raises UnitOfWorkError where no transaction stays open."""
        connection: Any = self.connection
        if connection.begin.startswith("SET"):
            raise UnitOfWorkError(
                "A stream needs a transaction that stays open. Open the unit without read_only, or"
                " with isolation='REPEATABLE READ', in which a stream shows one snapshot."
            )
        self.batch, self._unit, self._has_more = batch, connection.unit, True
        self._name = f"stream_{next(_numbers)}"
        select = select.rstrip().rstrip(";")
        return f"DECLARE {self._name} NO SCROLL CURSOR FOR {select}; {self._next()}"

    def _next(self) -> str:
        return f"FETCH FORWARD {self.batch:d} FROM {self._name}"

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        size = size or self.batch
        rows = super().fetchmany(size)
        while len(rows) < size and self._fetch_more():
            rows += super().fetchmany(size - len(rows))
        return rows

    def fetchone(self) -> tuple[Any, ...] | None:
        return next(iter(self.fetchmany(1)), None)

    def fetchall(self) -> list[tuple[Any, ...]]:
        rows = super().fetchall()
        while self._fetch_more():
            rows += super().fetchall()
        return rows

    def _fetch_more(self) -> bool:
        self._has_more = self._has_more and self.rowcount == self.batch
        if self._has_more:
            self._check_unit()
            self.execute(self._next())
        return self._has_more

    def _check_unit(self) -> None:
        connection: Any = self.connection
        if connection.unit is not self._unit:
            raise UnitOfWorkError("A stream can only be read inside its unit of work.")
        if self._unit is not None:
            self._unit.check_alive()

    def close(self) -> None:
        connection: Any = self.connection
        is_open = bool(self._name) and not self.closed and connection.unit is self._unit
        if is_open and connection.get_transaction_status() == extensions.TRANSACTION_STATUS_INTRANS:
            self.execute(f"CLOSE {self._name}")
        super().close()
