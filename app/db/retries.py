"""Run a unit of work again after a conflict with another one."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from .errors import ConnectionLost, Contention, StaleObject, Unavailable

T = TypeVar("T")

RETRYABLE: tuple[type[Unavailable], ...] = (Contention, ConnectionLost)
"""After these nothing was done: PostgreSQL rolled back, or COMMIT was never sent."""

# With full jitter: a pause is anywhere up to `_SHORTEST * 2**n`, at most `_LONGEST`, in seconds.
_SHORTEST, _LONGEST = 0.01, 0.5


def keep_trying(attempt: Callable[[], T], *, deadline: float, may_repeat: Callable[[], bool]) -> T:
    """Call `attempt` until it ends well, fails for good, or `deadline` seconds would pass.

    Where a failed attempt has committed something, `may_repeat` returns False: it would be done
    twice. The error that is raised in the end has those of the earlier attempts in `causes`.
    """
    end = time.monotonic() + deadline
    causes: list[Unavailable] = []
    while True:
        try:
            return attempt()
        except StaleObject:
            raise
        except RETRYABLE as error:
            most = min(_LONGEST, _SHORTEST * 2 ** len(causes))
            pause = random.uniform(0, most)  # noqa: S311 - no secret
            if time.monotonic() + pause > end or not may_repeat():
                error.causes = tuple(causes)
                raise
            causes.append(error)
        time.sleep(pause)
