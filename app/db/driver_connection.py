"""The psycopg2 connection of a unit of work, and the raw cursors on it.

psycopg2 runs in autocommit, so that it sends nothing of its own. The unit sets what goes out
in front of its statements; COMMIT and ROLLBACK are sent as SQL, where the server is in a
transaction.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import psycopg2
from psycopg2 import extensions
from psycopg2.errors import InFailedSqlTransaction

from .coherence import after_raw_statement, before_raw_statement
from .errors import UnitOfWorkError
from .sql_text import ends_transaction

if TYPE_CHECKING:
    from .open_unit import OpenUnit


Cursor = extensions.cursor


class DriverConnection(extensions.connection):
    """Knows the unit it works for, and what to send in front of a statement.

    `begin` opens a transaction and goes out whenever the server is in none, followed by `zone`
    where the server's is not UTC; `settings` go out once, with the next statement that the
    server would accept. `pid` is the process that may use it. `has_worked` for a unit: before,
    SQLAlchemy sets it up by raw cursors.
    """

    unit: OpenUnit | None = None
    pid: int = 0
    begin: str = "BEGIN; "
    zone: str = ""
    settings: str = ""
    began: bool = False
    has_worked: bool = False
    used_at: float = 0.0

    def set_up(self, zone: str) -> None:
        self.autocommit = True
        self.pid = os.getpid()
        self.zone = zone
        self.used_at = time.monotonic()

    def take(self, unit: OpenUnit, begin: str) -> None:
        """Work for the unit from here on."""
        self.unit, self.begin, self.settings, self.began = unit, begin, "", False
        self.has_worked = True

    def give_back(self) -> None:
        del self.unit, self.begin, self.settings
        self.used_at = time.monotonic()

    @property
    def is_idle(self) -> bool:
        return self.get_transaction_status() == extensions.TRANSACTION_STATUS_IDLE

    @property
    def is_usable(self) -> bool:
        """Whether PostgreSQL goes on: the transaction, if it is in one, has not failed."""
        return self.get_transaction_status() in (
            extensions.TRANSACTION_STATUS_IDLE,
            extensions.TRANSACTION_STATUS_INTRANS,
        )

    def prologue(self) -> str:
        status = self.get_transaction_status()
        if status == extensions.TRANSACTION_STATUS_INERROR:
            return ""  # ROLLBACK TO SAVEPOINT must come first and alone
        prologue = self.settings
        self.settings = ""
        if status == extensions.TRANSACTION_STATUS_IDLE:
            self.check_not_ended()
            prologue = self.begin + self.zone + prologue
            self.began = self.begin.startswith("BEGIN")
        return prologue

    def check_text(self, sql: str) -> None:
        """Raise where SQL text would end the transaction."""
        if self.unit is not None and ends_transaction(sql):
            error = UnitOfWorkError("The statement ends the transaction: only Database may.")
            self.unit.fail(error, savepoints=0)
            raise error

    def check_not_ended(self) -> None:
        """Raise where the server is in no transaction any more, although none was ended here."""
        if self.began and self.is_idle:
            error = UnitOfWorkError("A statement ended the transaction: only Database may.")
            if self.unit is not None:
                self.unit.fail(error, savepoints=0)
            raise error

    def send_commit(self) -> None:
        self._refuse_foreign_end()
        self.check_not_ended()
        self.began = False
        if not self.is_idle:
            answer = self.send("COMMIT")
            if answer != "COMMIT":  # PostgreSQL answers ROLLBACK, and no error, to a failed one
                raise InFailedSqlTransaction(f"COMMIT was answered {answer}")

    def send_rollback(self) -> None:
        """Also called by the pool when a connection comes back, so that it is idle afterwards."""
        if self.pid != os.getpid():
            return  # of a forked child: the transaction is the parent's
        self._refuse_foreign_end()
        self.began = False
        if not self.is_idle:
            self.send("ROLLBACK")

    def send(self, sql: str) -> str | None:
        with self.statement_cursor() as cursor:
            cursor.execute(sql)
            return cursor.statusmessage

    def ping(self) -> None:
        with super().cursor(cursor_factory=Cursor) as cursor:
            cursor.execute("SELECT 1")

    def fetch(self, sql: str) -> tuple[Any, ...]:
        """The only row of a query of the layer's own, outside units."""
        with super().cursor(cursor_factory=Cursor) as cursor:
            cursor.execute(sql)
            (row,) = cursor.fetchall()
            return row

    @property
    def has_input(self) -> bool:
        """Whether the server sent a message unasked: mostly that it closes the connection."""
        poll = select.poll()
        poll.register(self.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def statement_cursor(self, factory: type[Cursor] | None = None) -> Cursor:
        """For a caller that sends `prologue` itself."""
        return super().cursor() if factory is None else super().cursor(cursor_factory=factory)

    def cursor(  # type: ignore[override] # one signature for psycopg2's three
        self,
        name: str | None = None,
        cursor_factory: type[Cursor] | None = None,
        **options: Any,
    ) -> Cursor:
        """A raw cursor: what it executes is part of the unit, and expires all loaded objects."""
        default = cast("type[Cursor] | None", self.cursor_factory)
        factory: Any = cursor_factory or default or Cursor
        factory = _raw_cursor(factory) if self.has_worked else factory
        cursor: Cursor = super().cursor(name, factory, **options)
        return cursor

    def commit(self) -> None:
        self._refuse_foreign_end()
        super().commit()

    def rollback(self) -> None:
        self._refuse_foreign_end()
        super().rollback()

    def reset(self) -> None:
        self._refuse_foreign_end()
        super().reset()

    def _refuse_foreign_end(self) -> None:
        if self.unit is not None and not self.unit.may_end:
            raise UnitOfWorkError("Only Database ends a transaction: leave the block, or raise.")


def _inside_unit(name: str) -> Callable[..., Any]:
    """The cursor's method `name`, inside its unit; raises UnitOfWorkError where that has ended."""

    def method(self: _RawCursor, *arguments: Any, **options: Any) -> Any:
        unit, connection = self.unit, cast("DriverConnection", self.connection)
        if unit is None or unit.closed:
            raise UnitOfWorkError("A raw cursor works only inside the unit it was opened in.")
        sql = arguments[0] if arguments else options.get("query")
        if name == "execute" and isinstance(sql, str):
            connection.check_text(sql)
        before_raw_statement(unit)
        unit.open_transaction()
        try:
            result = getattr(super(_RawCursor, self), name)(*arguments, **options)
            connection.check_not_ended()
        except psycopg2.Error as error:
            unit.fail(error)
            raise
        finally:
            after_raw_statement(unit)
        return result

    return method


class _RawCursor(Cursor):
    """psycopg2's own, pandas', that of execute_values: each statement runs inside the unit of work
    in which the cursor was opened."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.unit: OpenUnit | None = cast("DriverConnection", self.connection).unit

    execute = _inside_unit("execute")
    executemany = _inside_unit("executemany")
    callproc = _inside_unit("callproc")
    copy_expert = _inside_unit("copy_expert")
    copy_from = _inside_unit("copy_from")
    copy_to = _inside_unit("copy_to")


@lru_cache(maxsize=64)
def _raw_cursor(factory: type[Cursor]) -> type[Cursor]:
    return type(f"Raw{factory.__name__}", (_RawCursor, factory), {})
