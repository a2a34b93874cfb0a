"""The two doors to the database, `connect` and `session`: each block is one unit of work."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar, cast

from sqlalchemy import Connection, Pool
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import PendingRollbackError
from sqlalchemy.orm import Session

from .driver_errors import translate
from .engines import EngineOptions, Engines
from .errors import ApplicationError, OutcomeUnknown, UnitOfWorkError, UnitRolledBack
from .modes import Isolation, Mode, Timeouts
from .owner import current_owner, opening_generator
from .retries import keep_trying
from .unit import UnitOfWork

P = ParamSpec("P")
T = TypeVar("T")
logger = logging.getLogger(__name__)

_CALLS_TO_BLOCK = 4  # from `_unit` to the function whose block it is, by two context managers


class Database:
    """Opens units of work, joins the blocks inside them, and alone ends their transactions.

    `url` may be a function, called at the first use. `replica_url` names a streaming standby, which
    is not read while it lags behind by more than `replica_max_lag` seconds (None: whatever its
    lag). `violations` says, by constraint name, which error reports its violation.
    """

    def __init__(
        self,
        url: str | Callable[[], str],
        *,
        replica_url: str | None = None,
        replica_max_lag: float | None = None,
        violations: Mapping[str, Callable[[], ApplicationError]] | None = None,
        timeouts: Timeouts | None = None,
        options: EngineOptions | None = None,
    ) -> None:
        self._violations = violations or {}
        self._timeouts = timeouts or Timeouts()
        self._engines = Engines(
            url,
            replica_url,
            replica_max_lag=replica_max_lag,
            on_error=self._on_error,
            options=options or EngineOptions(),
        )

    @contextmanager
    def connect(
        self,
        *,
        read_only: bool = False,
        stale_ok: bool = False,
        isolation: Isolation | None = None,
        timeout: float | None = None,
    ) -> Iterator[Connection]:
        """A unit of work, for Core. A block inside another one joins it.

        `read_only` makes PostgreSQL refuse writes; with `stale_ok` the unit reads from the replica
        where that can be used. `timeout` limits each statement, in seconds; of nested ones the
        smallest wins.
        """
        with self._unit(Mode(read_only, stale_ok, isolation, timeout)) as unit:
            yield unit.connection

    @contextmanager
    def session(
        self,
        *,
        read_only: bool = False,
        stale_ok: bool = False,
        isolation: Isolation | None = None,
        timeout: float | None = None,
    ) -> Iterator[Session]:
        """A unit of work, for the ORM: as `connect`, on the same connection where one is open.

        What leaves the outermost block is loaded and detached.
        """
        with self._unit(Mode(read_only, stale_ok, isolation, timeout)) as unit:
            yield unit.open_session()

    def run(
        self,
        work: Callable[[Connection], T],
        *,
        isolation: Isolation | None = None,
        timeout: float | None = None,
        deadline: float | None = None,
    ) -> T:
        """Open a unit, call `work` with its connection, and on a conflict run the whole again.

        A conflict is a serialisation failure, a deadlock, or a connection lost before COMMIT was
        sent. Each attempt has a fresh session and fresh hooks; attempts go on for `deadline`
        seconds. Inside an open unit the call joins it, and the outermost opener retries. Nothing is
        called again after it has committed a unit, of any Database.
        """

        def attempt() -> T:
            with self.connect(isolation=isolation, timeout=timeout) as connection:
                return work(connection)

        return self.again(attempt, deadline=deadline)

    def again(self, attempt: Callable[[], T], *, deadline: float | None = None) -> T:
        """As `run`, for a function that opens its units itself."""
        owner = current_owner()
        if owner.units or owner.retrying:
            return attempt()
        deadline = self._timeouts.retry if deadline is None else deadline
        committed = owner.committed  # by the work whose after-commit hook calls this
        owner.retrying, owner.committed = True, False
        try:
            return keep_trying(attempt, deadline=deadline, may_repeat=lambda: not owner.committed)
        finally:
            owner.retrying, owner.committed = False, committed or owner.committed

    def after_commit(self, hook: Callable[[], None]) -> None:
        """Call `hook` once the open unit is committed; not if it, or the savepoint, rolls back.

        It runs outside the unit and may open others. If it fails, that is logged: the unit stays
        committed and is not run again.
        """
        if (unit := self._open_unit) is None:
            raise UnitOfWorkError("A hook after the commit needs an open unit of work.")
        unit.hooks.append(hook)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Inside a unit: an error that leaves this block undoes it alone. Catch it outside."""
        if (unit := self._open_unit) is None:
            raise UnitOfWorkError("A savepoint needs an open unit of work.")
        with unit.savepoint():
            yield

    def abandon(self) -> None:
        """Roll back a unit that is still open on this thread, where none may be."""
        if (unit := self._open_unit) is None:
            return
        logger.error("A unit of work was left open and is rolled back.", stack_info=True)
        try:
            self._end(unit, unit.rollback)
        finally:
            unit.connection.close()

    def dispose(self) -> None:
        """Close the pooled connections; the next use opens new ones."""
        self._engines.dispose()

    def start_afresh(self) -> None:
        """Forget all connections: they are those of the parent process."""
        self._engines.start_afresh()

    @property
    def url(self) -> str:
        """Where the database is, as libpq reads it. Starts the embedded server if that is it."""
        return self._engines.url

    @property
    def pool(self) -> Pool:
        """The pool of the primary, for its numbers and for SQLAlchemy's pool events."""
        return self._engines.primary.engine.pool

    @property
    def _open_unit(self) -> UnitOfWork | None:
        return cast("UnitOfWork | None", current_owner().units.get(self))

    @contextmanager
    def _unit(self, mode: Mode) -> Iterator[UnitOfWork]:
        owner = current_owner()
        if (unit := self._open_unit) is not None:
            with unit.joined(mode):
                yield unit
            return
        generator = opening_generator(_CALLS_TO_BLOCK)
        with self._engines.connect(replica=mode.read_only and mode.stale_ok) as connection:
            unit = UnitOfWork(connection, mode, self._timeouts, owner, generator)
            try:
                owner.units[self] = unit
                yield unit
                unit.commit()
            except BaseException as error:
                self._end(unit, unit.rollback)
                if isinstance(error, GeneratorExit):
                    unit.check_dropped()
                if isinstance(error, PendingRollbackError):
                    cause = unit.failure or error
                    raise UnitRolledBack.after(cause) from cause
                raise
            self._end(unit)
        owner.call_hooks(unit.hooks)

    def _end(self, unit: UnitOfWork, how: Callable[[], None] = lambda: None) -> None:
        try:
            how()
        finally:
            if unit.owner.units.get(self) is unit:
                del unit.owner.units[self]
            unit.close()

    def _on_error(self, context: ExceptionContext) -> BaseException | None:
        """Translate a driver error. SQLAlchemy calls this once for each one, COMMIT's too."""
        if context.is_pre_ping:
            return None  # the pool opens another connection
        error = translate(context, self._violations)
        unit = self._open_unit
        if unit is not None and unit.connection is context.connection:
            if unit.ending == "commit" and context.is_disconnect and not unit.mode.read_only:
                error = OutcomeUnknown("The connection was lost during COMMIT.")
            unit.fail(error or context.sqlalchemy_exception or context.original_exception)
        return error


class HasDatabase(Protocol):
    @property
    def database(self) -> Database: ...


S = TypeVar("S", bound=HasDatabase)


def retry(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """Run a service method again on a conflict, as `Database.run` does; not inside an open unit.

    The method opens its own unit, so it may be a read that costs one round trip.
    """

    @wraps(method)
    def retried(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.database.again(lambda: method(self, *args, **kwargs))

    return retried
