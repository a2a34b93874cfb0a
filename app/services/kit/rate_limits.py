"""Limits the requests of each token: every process counts, and reconciles once a second.

No request waits for that: after the response of the first request that ends a second, one statement
adds the counts of the process to one row per token, and returns the counts of all processes.

Until then a process allows what it does not know to be taken: in `T` seconds `N` processes allow at
most `rate * (T + 2 * N - 1)` requests. What was too much has to leak first, so over time the rate
holds for any number of processes. While the database is unreachable, each process limits alone.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from app.domain.allowances import LeakyBucket
from app.errors import RateLimited
from app.repositories import RateLimitRepository

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from app.db import Database
    from app.domain.allowances import Allowance

RECONCILED_EVERY = 1.0  # seconds


class RateLimiter:
    """Each token may send `rate` requests per second, and that many at once; 0 is any number."""

    def __init__(
        self, database: Database, *, rate: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.rate = rate
        self._database = database
        self._clock = clock
        self._limits = RateLimitRepository()
        self._buckets: dict[UUID, LeakyBucket] = {}
        self._unreported: dict[UUID, LeakyBucket] = {}
        self._reconciled_at = clock()
        self._lock = threading.Lock()
        self._reconciling = threading.Lock()

    def take(self, token_id: UUID) -> Allowance | None:
        """Count one request of the token; raises RateLimited where it has none left."""
        if not self.rate:
            return None
        now = self._clock()
        with self._lock:
            bucket = self._buckets.get(token_id)
            if bucket is None:
                bucket = self._buckets[token_id] = LeakyBucket(self.rate, 0.0, now)
            if not bucket.take(now):
                raise RateLimited(f"A token may send {self.rate} requests per second.", bucket.wait)
            new = self._unreported.get(token_id)
            if new is None:
                new = self._unreported[token_id] = LeakyBucket(self.rate, 0.0, now)
            new.add(now)
            return bucket.allowance

    @property
    def is_due(self) -> bool:
        return bool(self._unreported) and self._clock() >= self._reconciled_at + RECONCILED_EVERY

    def reconcile(self) -> None:
        """Report the counts and read those of all processes; in one thread at a time."""
        if not self._reconciling.acquire(blocking=False):
            return
        try:
            self._adopt(*self._report())
        finally:
            self._reconciling.release()

    def _report(self) -> tuple[float, dict[UUID, float]]:
        """Add the counts to the database; returns the time and the levels over all processes.

        Requests that come meanwhile, and all of them after an error, are reported the next time.
        """
        with self._lock:
            now = self._reconciled_at = self._clock()
            reported, self._unreported = self._unreported, {}
        for bucket in reported.values():
            bucket.leak(now)
        try:
            with self._database.connect() as connection:
                return now, self._limits.reconcile(connection, reported, rate=self.rate)
        except BaseException:
            with self._lock:
                newer, self._unreported = self._unreported, reported
                for token_id, bucket in newer.items():
                    empty = LeakyBucket(self.rate, 0.0, now)
                    reported.setdefault(token_id, empty).merge(bucket, self._clock())
            raise

    def _adopt(self, then: float, levels: dict[UUID, float]) -> None:
        """Use these levels, and add what was counted since; drop the buckets that are empty."""
        now = self._clock()
        with self._lock:
            for token_id, by_all in levels.items():
                self._buckets[token_id] = bucket = LeakyBucket(self.rate, by_all, then)
                if (newer := self._unreported.get(token_id)) is not None:
                    bucket.merge(newer, now)
            for token_id, bucket in list(self._buckets.items()):
                bucket.leak(now)
                if not bucket.level and token_id not in self._unreported:
                    del self._buckets[token_id]
