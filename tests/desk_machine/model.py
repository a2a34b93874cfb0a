"""The rows of the model of the desk, and what rules ask of them first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hypothesis.stateful import (
    precondition,
)

STATUS = {"not-found": 404, "forbidden": 403, "validation-error": 422}  # all others are 409
OPEN = ("pending", "running")
MOST_LEVELS = 5
MOST_OPEN = 6  # so that much happens to each
NOT_CLOSED = {"open", "pending", "snoozed", "resolved"}
UNRESOLVED = NOT_CLOSED - {"resolved"}


@dataclass
class Work:
    """A task. `attempts` are [agent, outcome]; `since` orders those that wait.

    `scope` is the parent of an agent's sub-task: `dedupe` is unique within it.
    """

    id: str
    queue: str
    priority: int
    since: datetime
    alone: str | None = None
    parent: str | None = None
    conversation: str | None = None
    dedupe: str | None = None
    scope: str | None = None
    most: int = 3
    status: str = "pending"
    forgiven: int = 0
    cancel: bool = False
    holder: str | None = None
    token: str | None = None
    leased: bool = False
    expired: bool = False
    delayed: bool = False
    output: Any = None
    deleted: bool = False
    attempts: list[list[str | None]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    @property
    def open(self) -> bool:
        return self.status in OPEN and not self.deleted

    @property
    def pauses(self) -> bool:
        return self.delayed and self.status == "pending" and not self.deleted

    @property
    def spent(self) -> bool:
        return len(self.attempts) - self.forgiven >= self.most

    def end_attempt(self, outcome: str, status: str) -> None:
        self.attempts[-1][1] = outcome
        self.token, self.leased, self.expired, self.status = None, False, False, status
        self.holder = None if status == "pending" else self.holder

    def lose(self) -> None:
        status = "cancelled" if self.cancel else "failed" if self.spent else "pending"
        self.end_attempt("lost", status)

    def shown(self) -> dict[str, Any]:
        return {
            "queue": self.queue,
            "priority": self.priority,
            "agent_id": self.alone,
            "parent_id": self.parent,
            "conversation_id": self.conversation,
            "dedupe_key": self.dedupe,
            "status": self.status,
            "attempt": len(self.attempts),
            "cancel_requested": self.cancel,
            "claimed_by_id": self.holder,
            "output": self.output,
            "lease_expires_at": self.leased,
            "completed_at": self.status not in OPEN,
            "deleted_at": self.deleted,
        }


@dataclass
class Talk:
    """A conversation. `messages` are (id, direction, external_id, where it was posted)."""

    id: str
    customer: str
    channel: str
    status: str = "open"
    assignee: str | None = None
    merged: str | None = None
    answered: bool = False
    long_resolved: bool = False
    resolved_at: int = 0  # how many messages had been written anywhere
    unrecorded: int = 0  # versions that came of SQL
    messages: list[tuple[str, str, str | None, str]] = field(default_factory=list)

    def shown(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "assignee_id": self.assignee,
            "merged_into_id": self.merged,
            "snoozed_until": self.status == "snoozed",
            "first_responded_at": self.answered,
        }

    def numbered(self) -> list[tuple[Any, ...]]:
        return [
            (key, seq, direction, external_id, None if origin == self.id else origin)
            for seq, (key, direction, external_id, origin) in enumerate(self.messages, 1)
        ]


def there_is(*statuses: str) -> Callable[[Any], Any]:
    """A live task in one of these statuses."""
    return precondition(
        lambda desk: any(t.status in statuses and not t.deleted for t in desk.work.values())
    )


def some_are(which: Callable[[Any], bool]) -> Callable[[Any], Any]:
    return precondition(lambda desk: any(map(which, [*desk.work.values(), *desk.talks.values()])))


somebody_talks = precondition(lambda desk: any(desk.talks))
