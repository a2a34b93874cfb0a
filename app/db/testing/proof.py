"""The proof that a call does all of its work or nothing, wherever the database fails."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from ..database import Database
from ..errors import OutcomeUnknown
from ..retries import RETRYABLE
from .faults import DROP, DROP_AFTER, Faults
from .snapshots import NO_DIFFERENCE, Difference, Snapshot

WAYS = ("23514", "40001", DROP, DROP_AFTER)
"""Ways to fail: for good, by a conflict, and by a connection lost before or after a message."""


@dataclass(frozen=True)
class Proof:
    """The call without a fault: how many messages it sends, and which rows it changes."""

    messages: int
    difference: Difference


def all_or_nothing(
    call: Callable[[], object],
    *,
    database: Database,
    snapshot: Snapshot,
    ways: Sequence[str] = WAYS,
    step: int = 1,
    retried: bool = False,
) -> Proof:
    """Fail `call` at each message that it sends, COMMIT included, in each of the `ways`.

    It is called once per message and way. Each time it must do the same work on the rows of
    `snapshot`, which are put back. A `step` of 10 is for long calls: each way then fails every
    tenth message, and COMMIT.

    Raises AssertionError where a call that raised has changed rows, and where a call that ended
    well has not changed exactly the rows that it changes without a fault. Only a lost COMMIT may
    raise OutcomeUnknown. With `retried`, Contention and ConnectionLost must not reach the caller.
    Raises PermissionError, before the call, where the role of `snapshot` may not put rows back.
    """
    snapshot.check_may_restore()
    trial = _Trial(call, database, snapshot, retried=retried)
    messages = trial.run()
    for turn, how in enumerate(ways):
        for at in _places(turn, step):
            struck = trial.fail(at, how)
            if not struck and at != "COMMIT":
                break
    return Proof(messages, trial.expected)


def _places(turn: int, step: int) -> Iterator[int | str]:
    """Numbers of messages without an end; where some are left out, COMMIT first."""
    if step > 1:
        yield "COMMIT"
    yield from count(1 + turn % step, step)


class _Trial:
    def __init__(
        self, call: Callable[[], object], database: Database, snapshot: Snapshot, *, retried: bool
    ) -> None:
        self.expected = NO_DIFFERENCE
        self._call = call
        self._database = database
        self._snapshot = snapshot
        self._retried = retried

    def run(self) -> int:
        """Call without a fault, and note what it does; returns how many messages it sent."""
        with Faults(self._database) as unharmed:
            self._call()
        self.expected = self._changed()
        if not unharmed.seen:
            raise AssertionError("The call sends nothing to the database.")
        return len(unharmed.seen)

    def fail(self, at: int | str, how: str) -> bool:
        """Call with a fault, and check what it did; returns whether it came to that message."""
        error = None
        with Faults(self._database, at, how) as faults:
            try:
                self._call()
            except Exception as raised:  # noqa: BLE001 - any error is a proper end, if nothing was done
                error = raised
        changed = self._changed()
        problem = self._problem(error, faults) or self._wrong_rows(error, changed, how)
        if problem is not None:
            raise AssertionError(
                f"{problem}. Its message {len(faults.seen)} failed by {how}: {faults.seen[-1:]}."
            ) from error
        return bool(faults.struck)

    def _changed(self) -> Difference:
        changed = self._snapshot.difference()
        if changed != NO_DIFFERENCE:
            self._snapshot.restore()
        return changed

    def _problem(self, error: Exception | None, faults: Faults) -> str | None:
        if error is not None and not faults.struck:
            return f"The call raised {error!r} without a fault"
        if isinstance(error, OutcomeUnknown) and faults.seen[-1] != "COMMIT":
            return "The call raised OutcomeUnknown, and COMMIT was not sent"
        if self._retried and isinstance(error, RETRYABLE):
            return f"The call was not run again after {error!r}"
        return None

    def _wrong_rows(self, error: Exception | None, changed: Difference, how: str) -> str | None:
        done = error is None or (isinstance(error, OutcomeUnknown) and how == DROP_AFTER)
        expected = self.expected if done else NO_DIFFERENCE
        if changed == expected:
            return None
        end = "ended well" if error is None else f"raised {error!r}"
        return f"The call {end} and changed {changed}, not {expected}"
