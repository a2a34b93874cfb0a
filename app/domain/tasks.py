"""Tasks: a new one, what may be done to it when, and the delay of a retry."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from app.db.errors import Conflict
from app.errors import InvalidTransition

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID


class TaskStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Outcome(StrEnum):
    """The end of an attempt."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """A task to create; None stands for a field's default.

    Of two with the same `dedupe_key` (and `dedupe_scope`) only one is pending or running. The scope
    is the parent of a sub-task that an agent creates; nobody else sets one.
    """

    kind: str
    queue: str
    priority: int | None = None
    conversation_id: UUID | None = None
    parent_id: UUID | None = None
    agent_id: UUID | None = None
    input: Mapping[str, object] | None = None
    metadata_: Mapping[str, object] | None = None
    run_after: datetime | None = None
    max_attempts: int | None = None
    dedupe_key: str | None = None
    dedupe_scope: UUID | None = None

    def with_defaults(self, *, max_attempts: int) -> NewTask:
        """The task with the firm's `max_attempts` where it has none, and due now, not in the past.

        A `run_after` in the past would place the task before all others of its priority.
        """
        is_past = self.run_after is not None and self.run_after <= datetime.now(UTC)
        return replace(
            self,
            run_after=None if is_past else self.run_after,
            max_attempts=max_attempts if self.max_attempts is None else self.max_attempts,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCompletion:
    """A task to complete, by the lease under which it runs; `output` is any JSON value."""

    id: UUID
    lease_token: str
    output: object = None


def after_failure(
    *, retry: bool, cancel_requested: bool, attempts: int, max_attempts: int
) -> TaskStatus:
    """The status of a task after a failed attempt, the last of `attempts` that count."""
    if cancel_requested:
        return TaskStatus.CANCELLED
    return TaskStatus.PENDING if retry and attempts < max_attempts else TaskStatus.FAILED


@dataclass(frozen=True, slots=True)
class RetryDelay:
    """Capped exponential backoff with full jitter: anywhere up to `base * 2**n`, at most `cap`."""

    base: timedelta = timedelta(seconds=5)
    cap: timedelta = timedelta(hours=1)

    def after(self, attempts: int) -> timedelta:
        """A random pause after `attempts` failures."""
        return random.uniform(0, 1) * self.longest(attempts)  # noqa: S311 - no secret

    def longest(self, attempts: int) -> timedelta:
        factor = 1 << min(attempts - 1, 20)  # more could overflow, and any cap is long reached
        return min(self.cap, self.base * factor)


class LeaseLost(Conflict):
    """The lease token is not, or no longer, the current one of the task."""

    code = "lease-lost"

    def __init__(self) -> None:
        super().__init__("The task does not run under this lease token.")


class TaskCycle(Conflict):
    code = "task-cycle"

    def __init__(self) -> None:
        super().__init__("A task cannot be below itself.")


class TaskTooDeep(Conflict):
    """A task cannot be restored in its place: the tasks above it were moved down meanwhile."""

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
