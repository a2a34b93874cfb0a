"""How a unit of work may be opened, and the SQL that opens it so."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Isolation = Literal["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds. `idle` is how long a unit may wait between two statements, `retry` how long `run`
    and `@retry` go on, unless a call says it."""

    statement: float = 15.0
    lock: float = 5.0
    idle: float = 30.0
    retry: float = 3.0


@dataclass(frozen=True, slots=True)
class Mode:
    """The options of a block. `timeout` limits each statement, in seconds."""

    read_only: bool = False
    stale_ok: bool = False
    isolation: Isolation | None = None
    timeout: float | None = None


@lru_cache(maxsize=256)
def opening(mode: Mode, timeout: float, timeouts: Timeouts) -> str:
    """The SQL that is sent in front of the first statement, in the same message.

    Without BEGIN the message is a transaction of its own: a read costs one round trip.
    """
    settings = set_timeout(timeout) + f"SET LOCAL lock_timeout = {_ms(timeouts.lock)}; "
    if mode.read_only and mode.isolation is None:
        return "SET TRANSACTION READ ONLY; " + settings
    begin = f"BEGIN ISOLATION LEVEL {mode.isolation or 'READ COMMITTED'}"
    idle = f"SET LOCAL idle_in_transaction_session_timeout = {_ms(timeouts.idle)}; "
    return f"{begin}{' READ ONLY' if mode.read_only else ''}; {settings}{idle}"


def set_timeout(seconds: float) -> str:
    return f"SET LOCAL statement_timeout = {_ms(seconds)}; "


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))  # PostgreSQL reads 0 as "no limit"
