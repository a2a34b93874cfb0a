"""The psycopg2 dialect of a unit of work: BEGIN rides along with the first statement, Core and
ORM stay coherent, and only the unit ends its transaction.

psycopg2 runs in autocommit here, so that it sends nothing of its own. The unit sets what goes out
in front of its statements, in the same message. COMMIT and ROLLBACK are sent as SQL, and only
where the server is in a transaction.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import psycopg2
import psycopg2.errors
import psycopg2.extensions
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, TRANSACTION_STATUS_INERROR
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2, PGExecutionContext_psycopg2

from .coherence import after_statement, before_statement
from .effects import NOTHING, Effect
from .session import UnitOfWorkError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .unit import UnitOfWork

DRIVER = "postgresql+unitofwork"

_UTC = ("UTC", "Etc/UTC", "GMT")  # names of the zone in which times come as the program has them

COPY_FROM = "copy_from"  # execution option: what a COPY statement reads from


class DriverConnection(psycopg2.extensions.connection):
    """A psycopg2 connection that knows the unit it works for, and what to send in front.

    `begin` opens a transaction and goes out whenever the server is in none, followed by `zone`
    where the server's is not UTC; `settings` go out once, with the next statement that the
    server would accept.
    """

    unit: UnitOfWork | None = None
    pid: int = 0
    begin: str = ""
    zone: str = ""
    settings: str = ""

    def prologue(self) -> str:
        status = self.get_transaction_status()
        if status == TRANSACTION_STATUS_INERROR:
            return ""  # ROLLBACK TO SAVEPOINT must come first and alone
        prologue = self.settings
        self.settings = ""
        if status == TRANSACTION_STATUS_IDLE:
            prologue = self.begin + self.zone + prologue
        return prologue


class UnitOfWorkContext(PGExecutionContext_psycopg2):
    """Runs around every statement of Core and ORM, at less cost than SQLAlchemy's events."""

    effect: Effect = NOTHING

    def pre_exec(self) -> None:
        unit: UnitOfWork | None = self.cursor.connection.unit
        if unit is not None:
            before_statement(unit, self)

    def post_exec(self) -> None:
        super().post_exec()  # type: ignore[no-untyped-call] # SQLAlchemy's
        connection: DriverConnection = self.cursor.connection
        if connection.unit is None:
            return
        status = connection.get_transaction_status()
        if status == TRANSACTION_STATUS_IDLE and connection.begin.startswith("BEGIN"):
            error = UnitOfWorkError("A statement ended the transaction: only Database may.")
            connection.unit.fail(error)
            raise error
        after_statement(connection.unit, self)


class UnitOfWorkDialect(PGDialect_psycopg2):
    driver = "unitofwork"
    execution_ctx_cls = UnitOfWorkContext
    supports_statement_cache = True

    def on_connect(self) -> Callable[[Any], Any]:
        prepare: Callable[[Any], Any] | None = super().on_connect()  # type: ignore[no-untyped-call] # SQLAlchemy's

        def connect(connection: DriverConnection) -> None:
            if prepare is not None:
                prepare(connection)
            connection.autocommit = True
            connection.pid = os.getpid()
            if connection.get_parameter_status("TimeZone") not in _UTC:
                connection.zone = "SET LOCAL TimeZone = 'UTC'; "

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
            if source.error is not None:  # libpq tells only that it could not read
                raise source.error from None
            raise

    def do_executemany(
        self, cursor: Any, statement: str, parameters: Any, context: Any | None = None
    ) -> None:
        # psycopg2 sends the statement once per set of parameters: the prologue must not be in it.
        _send_prologue(cursor)
        super().do_executemany(cursor, statement, parameters, context)  # type: ignore[no-untyped-call] # SQLAlchemy's

    def do_commit(self, dbapi_connection: Any) -> None:
        _refuse_foreign_end(dbapi_connection)
        if dbapi_connection.get_transaction_status() != TRANSACTION_STATUS_IDLE:
            answer = _send(dbapi_connection, "COMMIT")
            if answer != "COMMIT":  # PostgreSQL answers ROLLBACK, and no error, to a failed one
                raise psycopg2.errors.InFailedSqlTransaction(f"COMMIT was answered {answer}")

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Also run by the pool when a connection comes back, so that it is idle afterwards."""
        if dbapi_connection.pid != os.getpid():
            return  # of a forked child: the transaction is the parent's
        _refuse_foreign_end(dbapi_connection)
        if dbapi_connection.get_transaction_status() != TRANSACTION_STATUS_IDLE:
            _send(dbapi_connection, "ROLLBACK")


def _send_prologue(cursor: Any) -> None:
    prologue: str = cursor.connection.prologue()
    if prologue and cursor.connection.begin.startswith("SET"):
        raise UnitOfWorkError("A read-only unit without an isolation runs single statements only.")
    if prologue:
        cursor.execute(prologue)


def _refuse_foreign_end(connection: Any) -> None:
    unit: UnitOfWork | None = connection.unit
    if unit is not None and not unit.may_end:
        raise UnitOfWorkError("Only Database ends a transaction: leave the block, or raise.")


def _send(connection: Any, sql: str) -> str | None:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        answer: str | None = cursor.statusmessage
        return answer


registry.register("postgresql.unitofwork", __name__, UnitOfWorkDialect.__name__)
