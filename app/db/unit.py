"""One unit of work: a database transaction and the handles that work in it."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal, NamedTuple, cast

import psycopg2
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from .driver_connection import DriverConnection
from .errors import ApplicationError, OutcomeUnknown, UnitOfWorkError, UnitRolledBack
from .modes import Mode, Timeouts, opening, set_timeout
from .owner import OpeningGenerator, Owner
from .session import UnitSession

logger = logging.getLogger(__name__)


class Savepoint(NamedTuple):
    """Its number in the unit, from 1, and how many hooks there were when it was set."""

    number: int
    hooks: int


class UnitOfWork:
    def __init__(
        self,
        connection: Connection,
        mode: Mode,
        timeouts: Timeouts,
        owner: Owner,
        generator: OpeningGenerator | None,
    ) -> None:
        self.connection = connection
        self.mode = mode
        self.owner = owner
        self.session: UnitSession | None = None
        self.failure: BaseException | None = None
        self.hooks: list[Callable[[], None]] = []
        self.savepoints: dict[str, Savepoint] = {}
        self._forgiving = 0  # how many savepoints, the first ones, undo all that has failed
        self.ending: Literal["commit", "rollback"] | None = None
        self._timeouts = timeouts
        self._timeout = timeouts.statement if mode.timeout is None else mode.timeout
        self._driver = cast("DriverConnection", connection.connection.dbapi_connection)
        self._transaction = connection.begin()
        self._driver.take(self, opening(mode, self._timeout, timeouts))
        self.closed = False
        self._generator = generator
        self._has_guests = False  # others than the generator wrote in its unit

    def open_transaction(self) -> None:
        """Send what opens the transaction, where no statement has taken it along yet.

        A read-only unit without an isolation gets a transaction after all.
        """
        if self._driver.is_idle and self.mode.read_only and self.mode.isolation is None:
            mode = replace(self.mode, isolation="READ COMMITTED")
            self._driver.begin = opening(mode, self._timeout, self._timeouts)
        if prologue := self._driver.prologue():
            self._driver.send(prologue)

    def open_session(self) -> UnitSession:
        if self.session is None:
            self.session = UnitSession(self.connection)
        return self.session

    @contextmanager
    def joined(self, mode: Mode) -> Iterator[None]:
        """Around a block inside the unit: an error that leaves it fails the unit."""
        self._check_joins(mode)
        before, savepoints = self._timeout, len(self.savepoints)
        self._set_timeout(before if mode.timeout is None else min(before, mode.timeout))
        try:
            yield
            self._check_open()
            if self.session is not None:
                self.session.flush()
        except BaseException as failure:
            if not (
                mode.read_only and isinstance(failure, GeneratorExit)
            ):  # the loop has read enough
                self.fail(failure, savepoints)
            raise
        finally:
            if not self.closed:
                self._set_timeout(before)

    def _check_joins(self, mode: Mode) -> None:
        """Raise where a block asks for a mode that the unit does not have."""
        if self._generator is not None and not mode.read_only and self._generator.is_suspended:
            if self._generator.is_iterated:
                raise UnitOfWorkError(
                    f"A block inside a loop over {self._generator} can't write in the unit of work"
                    " which that generator opened: leaving the loop early would undo it. Open a"
                    " unit around the loop."
                )
            self._has_guests = True
        if self.mode.read_only and not mode.read_only:
            raise UnitOfWorkError("A block that writes can't join a read-only unit of work.")
        own = self.mode.isolation or (None if self.mode.read_only else "READ COMMITTED")
        if mode.isolation not in (None, own):
            raise UnitOfWorkError(f"The unit of work is open, and not at {mode.isolation}.")

    def _set_timeout(self, timeout: float) -> None:
        if timeout == self._timeout:
            return
        self._timeout = timeout
        self._driver.begin = opening(self.mode, timeout, self._timeouts)
        if not self._driver.is_idle:
            self._driver.settings = set_timeout(timeout)

    def fail(self, cause: BaseException, savepoints: int | None = None) -> None:
        """From here on the unit can only roll back, because of the first cause.

        Only the first `savepoints` of all that were set forgive it; all of them where None. A
        read-only unit has written nothing, so it goes on as long as PostgreSQL does.
        """
        is_usable = not self.connection.invalidated and self._driver.is_usable
        if self.mode.read_only and is_usable:
            return
        forgiving = len(self.savepoints) if savepoints is None else savepoints
        self._forgiving = forgiving if self.failure is None else min(forgiving, self._forgiving)
        self.failure = self.failure or cause

    def set_savepoint(self, name: str) -> None:
        self.savepoints[name] = Savepoint(len(self.savepoints) + 1, len(self.hooks))

    def undo_savepoint(self, name: str) -> None:
        """Forget the hooks of a savepoint that was rolled back, and what failed only inside it."""
        savepoint = self.savepoints[name]
        del self.hooks[savepoint.hooks :]
        self._forgive(savepoint.number)

    def _forgive(self, savepoint: int) -> None:
        if savepoint <= self._forgiving:
            self.failure = None

    def check_alive(self) -> None:
        if self.failure is not None:
            raise UnitRolledBack.after(self.failure) from self.failure
        if not self.owner.is_current:
            error = UnitOfWorkError(
                f"The unit of work belongs to {self.owner}: its handles can't be used by another"
                " one. Open a unit there."
            )
            self.fail(error, savepoints=0)
            raise error

    def check_dropped(self) -> None:
        """Raise where a generator was closed and rolled back what others did in its unit."""
        if self._has_guests and self.failure is None:
            message = (
                f"The unit of work of {self._generator} was rolled back, and with it the work of"
                " the blocks that had joined it: the generator was closed before its end."
            )
            logger.error(message)
            raise UnitOfWorkError(message)

    def check_has_savepoints(self) -> None:
        if self.mode.read_only and self.mode.isolation is None:
            raise UnitOfWorkError("A read-only unit without an isolation has no savepoints.")

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Around a block: an error that leaves it undoes the block, and the unit may go on."""
        self.check_has_savepoints()
        self.check_alive()
        number = len(self.savepoints) + 1
        try:
            with self.open_session().begin_nested():
                yield
        except BaseException:
            if not self.connection.invalidated:
                self._forgive(number)
            raise

    @property
    def may_end(self) -> bool:
        """Whether the transaction may end now: by Database, or by a flush that fails."""
        return self.ending is not None or (self.session is not None and self.session.flushing)

    def _check_open(self) -> None:
        if self.closed:
            raise UnitOfWorkError("The unit of work ended before this block of it did.")

    def commit(self) -> None:
        self._check_open()
        self.check_alive()
        if self.session is not None:
            self.session.flush()
            self.session.leave()
        self.ending = "commit"
        committed = self.owner.committed
        self.owner.committed = committed or not self.mode.read_only
        try:
            self._transaction.commit()
        except OutcomeUnknown:
            raise
        except (ApplicationError, SQLAlchemyError):  # PostgreSQL refused to commit
            self.owner.committed = committed
            raise

    def rollback(self) -> None:
        if self.closed or not self.owner.is_in_this_process:
            return  # another unit, or the parent process, works on the connection now
        self.ending = "rollback"
        try:
            if self.session is not None:
                self.session.before.roll_back(self.session)
            if self._transaction.is_active:  # a flush that failed has rolled back already
                self._transaction.rollback()
            self._driver.send_rollback()
        except (ApplicationError, SQLAlchemyError, psycopg2.Error):
            if not self.connection.closed:
                self.connection.invalidate()  # the connection is lost, and the transaction with it

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self._driver.give_back()
        if self.session is not None:
            Session.close(self.session)  # detaches its objects, with what they have loaded
