"""The psycopg2 dialect of a unit of work: BEGIN rides along with the first statement, Core and
ORM stay coherent, and only the unit ends its transaction. Also its server-side cursors, for
`stream_results`, `yield_per` and the streams of repositories."""

import time
from collections.abc import Callable
from itertools import count
from typing import Any

import psycopg2
from psycopg2 import extensions
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2, PGExecutionContext_psycopg2

from .coherence import after_statement, before_statement
from .driver_connection import DriverConnection
from .effects import NOTHING, Effect
from .errors import UnitOfWorkError
from .unit import UnitOfWork

DRIVER = "postgresql+unitofwork"

_UTC = ("UTC", "Etc/UTC", "GMT")  # names of the zone of every unit

COPY_FROM = "copy_from"  # execution option: what a COPY statement reads from


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


class UnitOfWorkContext(PGExecutionContext_psycopg2):
    """Runs around every statement of Core and ORM, at less cost than SQLAlchemy's events."""

    effect: Effect = NOTHING

    def create_default_cursor(self) -> Any:
        connection: Any = self._dbapi_connection.dbapi_connection
        return connection.statement_cursor()

    def create_server_side_cursor(self) -> Any:
        connection: Any = self._dbapi_connection.dbapi_connection
        return connection.statement_cursor(ServerCursor)

    def pre_exec(self) -> None:
        unit: UnitOfWork | None = self.cursor.connection.unit
        if unit is not None:
            if self.compiled is None or self.is_text:
                self.cursor.connection.check_text(self.statement or "")
            before_statement(unit, self)
        if self._is_server_side:
            options = self.execution_options
            batch = options.get("yield_per") or options.get("max_row_buffer", ServerCursor.batch)
            self.statement = self.cursor.declare(self.statement, batch)

    def post_exec(self) -> None:
        super().post_exec()  # type: ignore[no-untyped-call] # SQLAlchemy's
        connection: DriverConnection = self.cursor.connection
        if connection.unit is None:
            return
        connection.check_not_ended()
        after_statement(connection.unit, self)


class UnitOfWorkDialect(PGDialect_psycopg2):
    driver = "unitofwork"
    execution_ctx_cls = UnitOfWorkContext
    supports_statement_cache = True

    def __init__(
        self,
        ping_after: float = 5.0,
        ping_on_input: bool = False,  # noqa: FBT001, FBT002 - SQLAlchemy finds no keyword-only ones
        **options: Any,
    ) -> None:
        """`ping_after`: a connection that was idle for so many seconds is tested first; with
        `ping_on_input` any connection on which something has arrived, such as its end."""
        super().__init__(**options)  # type: ignore[no-untyped-call] # SQLAlchemy's
        self._ping_after = ping_after
        self._ping_on_input = ping_on_input

    def on_connect(self) -> Callable[[Any], Any]:
        prepare: Callable[[Any], Any] | None = super().on_connect()  # type: ignore[no-untyped-call] # SQLAlchemy's

        def connect(connection: DriverConnection) -> None:
            if prepare is not None:
                prepare(connection)
            is_utc = connection.get_parameter_status("TimeZone") in _UTC
            connection.set_up("" if is_utc else "SET LOCAL TimeZone = 'UTC'; ")

        return connect

    def do_execute(
        self, cursor: Any, statement: str, parameters: Any, context: Any | None = None
    ) -> None:
        source = None if context is None else context.execution_options.get(COPY_FROM)
        if source is None:
            cursor.execute(cursor.connection.prologue() + statement, parameters)
            return
        _send_prologue(cursor)
        try:
            cursor.copy_expert(statement, source)
        except psycopg2.Error:
            if source.error is not None:  # libpq reports only that it could not read
                raise source.error from None
            raise

    def do_executemany(
        self, cursor: Any, statement: str, parameters: Any, context: Any | None = None
    ) -> None:
        # psycopg2 sends the statement once per set of parameters: the prologue must not be in it.
        _send_prologue(cursor)
        super().do_executemany(cursor, statement, parameters, context)  # type: ignore[no-untyped-call] # SQLAlchemy's

    def do_commit(self, dbapi_connection: Any) -> None:
        dbapi_connection.send_commit()

    def do_rollback(self, dbapi_connection: Any) -> None:
        dbapi_connection.send_rollback()

    def do_ping(self, dbapi_connection: Any) -> bool:
        """The pool's test of a connection; one that was used a moment ago needs none."""
        was_idle = time.monotonic() - dbapi_connection.used_at >= self._ping_after
        if was_idle or (self._ping_on_input and dbapi_connection.has_input):
            dbapi_connection.ping()
        return True


def _send_prologue(cursor: Any) -> None:
    prologue: str = cursor.connection.prologue()
    if prologue and cursor.connection.begin.startswith("SET"):
        raise UnitOfWorkError("A read-only unit without an isolation runs single statements only.")
    if prologue:
        cursor.execute(prologue)


registry.register("postgresql.unitofwork", __name__, UnitOfWorkDialect.__name__)
