"""How often a token may ask: counted by each process, and reconciled about once a second.

No request waits for that and none writes: whoever has answered first when a second is over adds
what the process counted to a row per token, in one statement for all of them, and learns what the
others did.

Until it learns, a process lets in what it knows to be free: in `T` seconds `N` processes let in at
most `rate * (T + 2 * N - 1)` requests. What was too much is a debt that leaks first, so over time
the rate holds, however many processes there are. While the database is away each is on its own.
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
    """Lets each token spend `rate` requests per second, and that many at once; 0 lets all in."""

    def __init__(
        self, database: Database, *, rate: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.rate = rate
        self._database = database
        self._clock = clock
        self._limits = RateLimitRepository()
        self._buckets: dict[UUID, LeakyBucket] = {}
        self._untold: dict[UUID, LeakyBucket] = {}
        self._reconciled_at = clock()
        self._lock = threading.Lock()
        self._reconciling = threading.Lock()

    def spend(self, token_id: UUID) -> Allowance | None:
        """One request of the token; raises RateLimited where it has none left."""
        if not self.rate:
            return None
        now = self._clock()
        with self._lock:
            bucket = self._buckets.get(token_id)
            if bucket is None:
                bucket = self._buckets[token_id] = LeakyBucket(self.rate, 0.0, now)
            if not bucket.spend(now):
                raise RateLimited(f"A token may send {self.rate} requests per second.", bucket.wait)
            self._untold.setdefault(token_id, LeakyBucket(self.rate, 0.0, now)).add(now)
            return bucket.allowance

    @property
    def is_due(self) -> bool:
        return bool(self._untold) and self._clock() >= self._reconciled_at + RECONCILED_EVERY

    def reconcile(self) -> None:
        """Tell and learn what was spent; one thread of a process at a time, the others go on."""
        if not self._reconciling.acquire(blocking=False):
            return
        try:
            self._learn(*self._tell())
        finally:
            self._reconciling.release()

    def _tell(self) -> tuple[float, dict[UUID, float]]:
        """What is not told is kept for the next time; what comes meanwhile is of the next time."""
        with self._lock:
            now = self._reconciled_at = self._clock()
            told, self._untold = self._untold, {}
        for bucket in told.values():
            bucket.leak(now)
        try:
            with self._database.connect() as connection:
                return now, self._limits.reconcile(connection, told, rate=self.rate)
        except BaseException:
            with self._lock:
                newer, self._untold = self._untold, told
                for token_id, bucket in newer.items():
                    empty = LeakyBucket(self.rate, 0.0, now)
                    told.setdefault(token_id, empty).merge(bucket, self._clock())
            raise

    def _learn(self, then: float, spent: dict[UUID, float]) -> None:
        """What was spent since comes on top; a bucket that is empty is forgotten."""
        now = self._clock()
        with self._lock:
            for token_id, by_all in spent.items():
                self._buckets[token_id] = bucket = LeakyBucket(self.rate, by_all, then)
                if (newer := self._untold.get(token_id)) is not None:
                    bucket.merge(newer, now)
            for token_id, bucket in list(self._buckets.items()):
                bucket.leak(now)
                if not bucket.spent and token_id not in self._untold:
                    del self._buckets[token_id]
