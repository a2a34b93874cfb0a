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

    def leak(self, now: float) -> None:
        self.spent = max(0.0, self.spent - self.most * max(0.0, now - self.at))
        self.at = now

    def spend(self, now: float) -> bool:
        """Whether there was room for one more."""
        self.leak(now)
        if self.spent + 1 > self.most:
            return False
        self.spent += 1
        return True

    @property
    def allowance(self) -> Allowance:
        left = max(0, math.floor(self.most - self.spent))
        return Allowance(left, math.ceil(self.spent / self.most))

    @property
    def wait(self) -> int:
        """Whole seconds until there is room for one."""
        return max(1, math.ceil((self.spent + 1 - self.most) / self.most))
