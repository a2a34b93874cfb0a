"""Run a unit of work again after a conflict with another one."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

from .errors import ConnectionLost, Contention, StaleObject, Unavailable

if TYPE_CHECKING:
    from .database import Database

P = ParamSpec("P")
T = TypeVar("T")


class HasDatabase(Protocol):
    @property
    def database(self) -> Database: ...


S = TypeVar("S", bound=HasDatabase)

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


def retry(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """Run a service method again on a conflict, as `Database.run` does; not inside an open unit.

    The method opens its own unit, so it may be a read that costs one round trip.
    """

    @wraps(method)
    def retried(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.database.again(lambda: method(self, *args, **kwargs))

    return retried
