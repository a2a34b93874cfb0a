"""The life of a task: what may be done to it when, and how long a retry waits."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from app.db.errors import Conflict
from app.errors import InvalidTransition

if TYPE_CHECKING:
    from collections.abc import Mapping


class TaskStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Outcome(StrEnum):
    """How an attempt ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    RELEASED = "released"  # given back: it does not count against `max_attempts`
    CANCELLED = "cancelled"
    LOST = "lost"  # the lease ran out


OPEN = (TaskStatus.PENDING, TaskStatus.RUNNING)
HIGHEST, LOWEST, DEFAULT_PRIORITY = 0, 9, 5

_ACTIONS = {
    "claim": {TaskStatus.PENDING},
    "heartbeat": {TaskStatus.RUNNING},
    "complete": {TaskStatus.RUNNING},
    "fail": {TaskStatus.RUNNING},
    "release": {TaskStatus.RUNNING},
    "update": {TaskStatus.PENDING},
    "delete": {TaskStatus.PENDING, TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED},
    "cancel": set(OPEN),
    "requeue": {TaskStatus.FAILED, TaskStatus.CANCELLED},
}


def check_task_action(action: str, status: str) -> None:
    """Raises InvalidTransition where a task in this status does not allow the action."""
    allowed = [name for name, statuses in _ACTIONS.items() if status in statuses]
    if action not in allowed:
        raise InvalidTransition("task", action, status, allowed)


def due_now_or_later(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a new task without a `run_after` that has passed: it is due when it is made.

    A time in the past would let it overtake all tasks of its priority.
    """
    given = values.get("run_after")
    is_past = given is not None and given <= datetime.now(UTC)
    return {name: value for name, value in values.items() if name != "run_after" or not is_past}


def after_failure(
    *, retry: bool, cancel_requested: bool, attempts: int, max_attempts: int
) -> TaskStatus:
    """What becomes of a task whose attempt failed, after `attempts` that counted."""
    if cancel_requested:
        return TaskStatus.CANCELLED
    return TaskStatus.PENDING if retry and attempts < max_attempts else TaskStatus.FAILED


@dataclass(frozen=True, slots=True)
class RetryDelay:
    """Capped exponential backoff with full jitter: anywhere up to `base * 2**n`, at most `cap`."""

    base: timedelta = timedelta(seconds=5)
    cap: timedelta = timedelta(hours=1)

    def after(self, attempts: int) -> timedelta:
        """How long to wait after `attempts` failures."""
        return random.uniform(0, 1) * self.longest(attempts)  # noqa: S311 - no secret

    def longest(self, attempts: int) -> timedelta:
        factor = 1 << min(attempts - 1, 20)  # more could overflow, and any cap is long reached
        return min(self.cap, self.base * factor)


class LeaseLost(Conflict):
    """The lease token is not, or no longer, the one under which the task runs."""

    code = "lease-lost"

    def __init__(self) -> None:
        super().__init__("The task does not run under this lease token.")


class TaskCycle(Conflict):
    code = "task-cycle"

    def __init__(self) -> None:
        super().__init__("A task cannot be below itself.")


class TaskTooDeep(Conflict):
    """A task can't come back to where it was: the tasks above it were moved down meanwhile."""

    code = "task-too-deep"

    def __init__(self, most: int) -> None:
        super().__init__(f"Tasks are at most {most} levels deep.")


class OpenSubtasks(Conflict):
    code = "open-subtasks"

    def __init__(self) -> None:
        super().__init__("A task cannot be completed before its sub-tasks have ended.")


class ParentFinished(Conflict):
    code = "parent-finished"

    def __init__(self) -> None:
        super().__init__("The parent must be a pending or running task that nobody has cancelled.")
