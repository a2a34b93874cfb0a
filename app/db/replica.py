"""Decide whether the replica or the primary answers a read that accepts stale rows."""

import logging
import math
import time
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple, cast

import psycopg2
from sqlalchemy import Connection

from .driver_connection import DriverConnection
from .errors import ConnectionLost, DatabaseUnreachable

logger = logging.getLogger(__name__)

_CHECK_SECONDS = 1.0  # between two measurements of the lag
_RETRY_SECONDS = 5.0  # between two attempts while the primary is read instead

# Positions are in bytes of WAL. The receiver's row exists while the standby is connected to its
# primary; the primary's own position in it is visible with the rights of pg_read_all_stats.
_PROGRESS = """
SELECT pg_is_in_recovery(), pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint,
    (SELECT pg_wal_lsn_diff(greatest(latest_end_lsn, pg_last_wal_receive_lsn()), '0/0')::bigint
     FROM pg_stat_wal_receiver),
    extract(epoch FROM now() - pg_last_xact_replay_timestamp())::float
"""


class Progress(NamedTuple):
    """`received` is None while the standby is not connected to its primary; `age` is that of the
    last commit that it has replayed."""

    is_standby: bool
    replayed: int | None
    received: int | None
    age: float | None


class Lag:
    """Measures for how many seconds commits of the primary may be missing on a standby.

    A standby that has replayed all WAL of an earlier measurement has what was committed until
    then. So an idle primary, which commits nothing, is no lag.
    """

    def __init__(self) -> None:
        self._fresh_at = -math.inf
        self._mark = (-math.inf, math.inf)  # when a position was the newest one, and that position

    def measure(self, progress: Progress, now: float) -> float:
        """`now` is monotonic."""
        if not progress.is_standby:
            return 0.0
        replayed = progress.replayed or 0
        for at, position in (self._mark, (now, progress.received)):
            if position is not None and replayed >= position:
                self._fresh_at = at
        if progress.received is not None and self._fresh_at >= self._mark[0]:
            self._mark = (now, progress.received)
        return min(now - self._fresh_at, math.inf if progress.age is None else progress.age)


class _LagsError(Exception):
    pass


class Replica:
    """Remembers whether the replica can be used; `connect` opens or takes a connection to it.

    A replica that could not be used is tried again after some seconds, by one unit of work. The
    others read from the primary meanwhile, without waiting.
    """

    def __init__(self, connect: Callable[[], Connection], max_lag: float | None) -> None:
        self._connect = connect
        self._max_lag = max_lag
        self._lag = Lag()
        self._lock = Lock()
        self._is_used = False
        self._is_reported = False  # that it is not used
        self._check_at = -math.inf

    def connection(self) -> Connection | None:
        """None where the primary has to be read. Raises PoolExhausted."""
        is_due = self._is_due()
        if not is_due and not self._is_used:
            return None
        try:
            connection = self._connect()
            if is_due:
                self._check(connection)
        except (DatabaseUnreachable, ConnectionLost, psycopg2.Error, _LagsError) as error:
            self._settle(str(error.__cause__ or error).strip().partition("\n")[0].rstrip("."))
            return None
        except BaseException:
            self._check_at = -math.inf if is_due else self._check_at
            raise
        if is_due:
            self._settle(None)
        return connection

    def _is_due(self) -> bool:
        """Whether this unit of work checks; the others do not meanwhile."""
        with self._lock:
            is_due = time.monotonic() >= self._check_at
            self._check_at = math.inf if is_due else self._check_at
            return is_due

    def _check(self, connection: Connection) -> None:
        """Close the connection and raise an error where the replica lags too far behind."""
        if self._max_lag is None:
            return
        driver = cast("DriverConnection", connection.connection.dbapi_connection)
        try:
            progress = Progress(*driver.fetch(_PROGRESS))
        except psycopg2.Error:
            connection.invalidate()
            connection.close()
            raise
        if self._lag.measure(progress, time.monotonic()) > self._max_lag:
            connection.close()
            raise _LagsError(f"it lags behind by more than {self._max_lag:g} s")

    def _settle(self, problem: str | None) -> None:
        with self._lock:
            self._is_used = problem is None
            pause = _CHECK_SECONDS if self._is_used else _RETRY_SECONDS
            self._check_at = time.monotonic() + pause
            has_changed = self._is_reported == self._is_used
            self._is_reported = not self._is_used
        if has_changed and problem is None:
            logger.warning("The replica is read again.")
        elif has_changed:
            logger.warning("The primary is read instead of the replica: %s.", problem)
