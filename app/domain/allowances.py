"""How much of a rate is left: what was spent leaks away, and no more than `most` fits in."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Allowance:
    """`remaining` requests may come at once; `reset` is when all may again, in whole seconds."""

    remaining: int
    reset: int


@dataclass(slots=True)
class LeakyBucket:
    """Of `most` requests, as many per second as that. `now` is any clock in seconds.

    What was spent beyond `most`, elsewhere and learnt of later, is a debt that leaks first.
    """

    most: int
    spent: float
    at: float
    count: int = 0  # of requests that found room

    def leak(self, now: float) -> None:
        self.spent = max(0.0, self.spent - self.most * max(0.0, now - self.at))
        self.at = now

    def spend(self, now: float) -> bool:
        """Whether there was room for one more."""
        self.leak(now)
        if self.spent + 1 > self.most:
            return False
        self.add(now)
        return True

    def add(self, now: float) -> None:
        """One more, whether there is room or not."""
        self.leak(now)
        self.spent += 1
        self.count += 1

    def merge(self, newer: LeakyBucket, now: float) -> None:
        """What came later into an empty one, as if it had come into this."""
        newer.leak(now)
        leaked = self.most * max(0.0, now - self.at)
        self.spent = max(newer.spent, self.spent + newer.count - leaked)
        self.count += newer.count
        self.at = now

    @property
    def allowance(self) -> Allowance:
        left = max(0, math.floor(self.most - self.spent))
        return Allowance(left, math.ceil(self.spent / self.most))

    @property
    def wait(self) -> int:
        """Whole seconds until there is room for one."""
        return max(1, math.ceil((self.spent + 1 - self.most) / self.most))
