"""Conversations: a new one, what may be done to it when, and what a message changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypedDict

from app.db.errors import Conflict, VersionMismatch
from app.domain.messages import Direction
from app.errors import InvalidTransition

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta
    from uuid import UUID

    from app.domain.messages import NewMessage
    from app.domain.tasks import NewTask, TaskCompletion
    from app.domain.transactions import Refund


class ConversationStatus(StrEnum):
    OPEN = "open"
    PENDING = "pending"  # the desk has answered and waits for the customer
    SNOOZED = "snoozed"
    RESOLVED = "resolved"
    CLOSED = "closed"


class Channel(StrEnum):
    EMAIL = "email"
    CHAT = "chat"
    PHONE = "phone"
    WEB = "web"


class Priority(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


_S = ConversationStatus
_UNRESOLVED = {_S.OPEN, _S.PENDING, _S.SNOOZED}
_SOONEST = [_S.OPEN, _S.SNOOZED, _S.PENDING, _S.RESOLVED]  # when the desk looks at them again
_ACTIONS = {
    "message": _UNRESOLVED | {_S.RESOLVED},
    "update": _UNRESOLVED | {_S.RESOLVED},
    "assign": _UNRESOLVED | {_S.RESOLVED},
    "snooze": _UNRESOLVED,
    "resolve": _UNRESOLVED,
    "reopen": {_S.PENDING, _S.SNOOZED, _S.RESOLVED},
    "close": _UNRESOLVED | {_S.RESOLVED},
    "merge": _UNRESOLVED | {_S.RESOLVED},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConversation:
    """A conversation to open, with its first message and a task about it."""

    customer_id: UUID
    subject: str
    channel: str
    priority: str = Priority.NORMAL
    tags: list[str] = field(default_factory=list)
    assignee_id: UUID | None = None
    message: NewMessage | None = None
    task: NewTask | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """The parts of resolving a conversation, all done in one unit of work.

    The message is for the customer, the task is about the conversation.
    """

    message: NewMessage | None = None
    refund: Refund | None = None
    complete_task: TaskCompletion | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationBatch:
    """All conversations that fit the list's filters, by names such as `priority__in`.

    `expected_count` is how many the caller expects, None only with `dry_run`, which counts them.
    """

    filter: Mapping[str, object]
    expected_count: int | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchAssignment(ConversationBatch):
    """A batch to assign to an agent, or with None to nobody."""

    agent_id: UUID | None
    reason: str | None = None


class ConversationEffects(TypedDict, total=False):
    """The fields that may change together with a conversation's status."""

    snoozed_until: datetime | None
    merged_into_id: UUID
    first_responded_at: datetime | None


class ConversationChanges(ConversationEffects, total=False):
    """The fields of a conversation that change; an absent one keeps its value."""

    customer_id: UUID
    subject: str
    priority: str
    tags: list[str]
    assignee_id: UUID | None
    assignment_reason: str | None
    status: str
    status_changed_at: datetime
    first_response_due_at: datetime
    resolution_due_at: datetime
    resolution_left: timedelta | None


def statuses_for(action: str) -> frozenset[str]:
    """The statuses that allow the action."""
    return frozenset(_ACTIONS[action])


def check_conversation_action(action: str, status: str) -> None:
    """Raises InvalidTransition where a conversation in this status does not allow the action."""
    allowed = [name for name, statuses in _ACTIONS.items() if status in statuses]
    if action not in allowed:
        raise InvalidTransition("conversation", action, status, allowed)


def after_merge(source: str, target: str, *, is_unanswered: bool) -> ConversationStatus:
    """The status of the target of a merge: the one of the two that the desk looks at sooner.

    It is open where a message of the source `is_unanswered`, whatever the two statuses.
    """
    return _S.OPEN if is_unanswered else min(_S(source), _S(target), key=_SOONEST.index)


def after_message(
    status: str, direction: str, *, since: timedelta, reopen_window: timedelta
) -> ConversationStatus:
    """The status after a message; `since` is how long the present status has lasted.

    A customer's message re-opens a conversation, a resolved one only within the window. A message
    to the customer makes an unresolved one pending. A note changes nothing.
    """
    now = ConversationStatus(status)
    if direction == Direction.INBOUND:
        too_late = now is _S.RESOLVED and since > reopen_window
        return now if too_late or now is _S.CLOSED else _S.OPEN
    if direction == Direction.OUTBOUND and now in _UNRESOLVED:
        return _S.PENDING
    return now


class ConversationMerged(Conflict):
    """The conversation was merged into another one, `into`."""

    code = "conversation-merged"

    def __init__(self, into: UUID) -> None:
        self.facts = {"merged_into_id": str(into)}
        super().__init__(f"The conversation was merged into {into}.")


class ConversationMismatch(VersionMismatch):
    """The conversation has another version, or another last message, than the caller expected."""

    def __init__(self, current: int, last_message: int) -> None:
        super().__init__(current)
        self.args = (
            f"The current version is {current}, and the last message is number {last_message}.",
        )


class CustomerMismatch(Conflict):
    code = "customer-mismatch"

    def __init__(self) -> None:
        super().__init__("The conversations belong to different customers.")


class CountMismatch(Conflict):
    """The action would change more or fewer conversations than expected; nothing was done."""

    code = "count-mismatch"

    def __init__(self, expected: int, count: int) -> None:
        self.facts = {"expected": expected, "count": count}
        super().__init__(f"The request expects {expected} and there are {count}.")


class MergeIntoItself(Conflict):
    code = "merge-into-itself"

    def __init__(self) -> None:
        super().__init__("A conversation cannot be merged into itself.")
