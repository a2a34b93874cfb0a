"""One unit of work: a database transaction and the handles that work in it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, cast

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from sqlalchemy.exc import SQLAlchemyError

from app.db.session import UnitOfWorkError, UnitSession, end
from app.errors import CaseloadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, PoolProxiedConnection

    from app.db.dialect import DriverConnection

Isolation = Literal["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]


class UnitRolledBack(UnitOfWorkError):
    """Part of the unit failed and the failure was swallowed: nothing of the unit was done."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds. `idle` is how long a unit may wait between two statements."""

    statement: float = 15.0
    lock: float = 5.0
    idle: float = 30.0


@dataclass(frozen=True, slots=True)
class Mode:
    """How a unit was asked for. `timeout` limits each statement, in seconds."""

    read_only: bool = False
    stale_ok: bool = False
    isolation: Isolation | None = None
    timeout: float | None = None


class UnitOfWork:
    def __init__(self, connection: Connection, mode: Mode, timeouts: Timeouts) -> None:
        self.connection = connection
        self.mode = mode
        self.session: UnitSession | None = None
        self.failure: BaseException | None = None
        self.hooks: list[Callable[[], None]] = []
        self.ending: Literal["commit", "rollback"] | None = None
        self._timeouts = timeouts
        self._timeout = timeouts.statement if mode.timeout is None else mode.timeout
        self._driver = cast("DriverConnection", connection.connection.dbapi_connection)
        self._driver.begin = _opening(mode, self._timeout, timeouts)
        self._driver.settings = ""
        self._transaction = connection.begin()
        self._driver.unit = self
        self.closed = False
        self._pid = os.getpid()

    def open_session(self) -> UnitSession:
        if self.session is None:
            self.session = UnitSession(self.connection)
        return self.session

    def check_joins(self, mode: Mode) -> None:
        """Raise where a block asks for what the open unit can't give."""
        if self.mode.read_only and not mode.read_only:
            raise UnitOfWorkError("A block that writes can't join a read-only unit of work.")
        own = self.mode.isolation or (None if self.mode.read_only else "READ COMMITTED")
        if mode.isolation not in (None, own):
            raise UnitOfWorkError(f"The unit of work is open, and not at {mode.isolation}.")

    def limit(self, timeout: float | None) -> float:
        """Let the smaller timeout win from here on; returns the one in force before."""
        before = self._timeout
        if timeout is not None and timeout < before:
            self.set_timeout(timeout)
        return before

    def set_timeout(self, timeout: float) -> None:
        if timeout == self._timeout:
            return
        self._timeout = timeout
        self._driver.begin = _opening(self.mode, timeout, self._timeouts)
        if self._driver.get_transaction_status() != TRANSACTION_STATUS_IDLE:
            self._driver.settings = _set_timeout(timeout)

    def fail(self, cause: BaseException) -> None:
        """From here on the unit can only roll back; the first cause is the one that is told."""
        self.failure = self.failure or cause

    def check_alive(self) -> None:
        if self.failure is not None:
            raise UnitRolledBack("The unit of work has failed already.") from self.failure

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """The session's own: one opened first inside a connection's would not survive it."""
        if self.mode.read_only and self.mode.isolation is None:
            raise UnitOfWorkError("A read-only unit without an isolation has no savepoints.")
        session = self.open_session()
        self.check_alive()
        hooks = len(self.hooks)
        try:
            with session.begin_nested():
                session.connection()  # sends SAVEPOINT now, or Core statements would run outside it
                yield
        except BaseException:
            del self.hooks[hooks:]
            session.expire_rows()  # also what was only read inside it
            if not self.connection.invalidated:
                self.failure = None
            raise

    @property
    def may_end(self) -> bool:
        """Only in the hands of Database; a flush that fails rolls back by itself."""
        return self.ending is not None or (self.session is not None and self.session.flushing)

    def flush(self) -> None:
        if self.session is not None:
            self.session.flush()

    def commit(self) -> None:
        if self.closed or self._pid != os.getpid():
            raise UnitOfWorkError("The unit of work was abandoned, or is another process's.")
        self.check_alive()
        if self.session is not None:
            self.session.flush()
            self.session.load_expired()
        self.ending = "commit"
        self._transaction.commit()

    def rollback(self) -> None:
        if self.closed or self._pid != os.getpid():
            return  # the connection works for somebody else by now
        self.ending = "rollback"
        try:
            if self._transaction.is_active:  # a flush that failed has rolled back already
                self._transaction.rollback()
            if self._driver.get_transaction_status() != TRANSACTION_STATUS_IDLE:
                self.connection.dialect.do_rollback(cast("PoolProxiedConnection", self._driver))
        except (CaseloadError, SQLAlchemyError, psycopg2.Error):
            if not self.connection.closed:
                self.connection.invalidate()  # it is gone, and the transaction with it

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self._driver.begin = self._driver.settings = ""
        self._driver.unit = None
        if self.session is not None:
            end(self.session)


@lru_cache(maxsize=256)
def _opening(mode: Mode, timeout: float, timeouts: Timeouts) -> str:
    """What goes out in front of the first statement, in the same message.

    Without BEGIN the message is a transaction of its own: a read costs one round trip.
    """
    settings = _set_timeout(timeout) + f"SET LOCAL lock_timeout = {_ms(timeouts.lock)}; "
    if mode.read_only and mode.isolation is None:
        return "SET TRANSACTION READ ONLY; " + settings
    begin = f"BEGIN ISOLATION LEVEL {mode.isolation or 'READ COMMITTED'}"
    idle = f"SET LOCAL idle_in_transaction_session_timeout = {_ms(timeouts.idle)}; "
    return f"{begin}{' READ ONLY' if mode.read_only else ''}; {settings}{idle}"


def _set_timeout(seconds: float) -> str:
    return f"SET LOCAL statement_timeout = {_ms(seconds)}; "


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))  # PostgreSQL reads 0 as "no limit"
