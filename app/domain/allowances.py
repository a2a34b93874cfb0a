"""Rate limits as leaky buckets: each request adds one, and `most` leak away per second."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Allowance:
    """`remaining` requests are allowed at once, and all of them again after `reset` seconds."""

    remaining: int
    reset: int


@dataclass(slots=True)
class LeakyBucket:
    """It has room for `most` requests, of which as many leak per second.

    `level` may be above `most` where other processes have taken requests at the same time: no
    request is allowed until it has leaked. `now` is any clock in seconds.
    """

    most: int
    level: float
    at: float
    count: int = 0  # requests that were added

    def leak(self, now: float) -> None:
        if now > self.at:
            self.level = max(0.0, self.level - self.most * (now - self.at))
        self.at = now

    def take(self, now: float) -> bool:
        """Add one request if there is room; returns whether there was."""
        self.leak(now)
        if self.level + 1 > self.most:
            return False
        self.level += 1
        self.count += 1
        return True

    def add(self, now: float) -> None:
        """Add one request, whether there is room or not."""
        self.leak(now)
        self.level += 1
        self.count += 1

    def merge(self, newer: LeakyBucket, now: float) -> None:
        """Add the requests of `newer`, which started empty after `self.at`."""
        newer.leak(now)
        leaked = self.most * max(0.0, now - self.at)
        self.level = max(newer.level, self.level + newer.count - leaked)
        self.count += newer.count
        self.at = now

    @property
    def allowance(self) -> Allowance:
        left = max(0, math.floor(self.most - self.level))
        return Allowance(left, math.ceil(self.level / self.most))

    @property
    def wait(self) -> int:
        """Whole seconds until there is room for one request."""
        return max(1, math.ceil((self.level + 1 - self.most) / self.most))
