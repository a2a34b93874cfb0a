"""The clocks of a conversation, as its columns hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.clocks import STANDING_STILL, Clocks

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any, TypeAlias

    from sqlalchemy import Row

    from app.domain.clocks import ServiceLevels
    from app.domain.conversations import ConversationChanges
    from app.models import Conversation

    ConversationRow: TypeAlias = Conversation | Row[Any]
    """An entity, or a whole row that a Core statement returned."""


def first_clocks(levels: ServiceLevels, priority: str, now: datetime) -> ConversationChanges:
    """The columns of a conversation that is opened now."""
    return _columns(levels.start(now, priority))


def clocks_after(
    levels: ServiceLevels, row: ConversationRow, changes: ConversationChanges
) -> ConversationChanges:
    """The columns of the clocks once these changes of the row are made.

    With a `status_changed_at`, `changes` has the new `status` too.
    """
    clocks = _clocks_of(row)
    if clocks is None:
        return {}
    if "priority" in changes:
        clocks = levels.retarget(clocks, row.priority, changes["priority"])
    if (responded_at := changes.get("first_responded_at")) is not None:
        clocks = levels.respond(clocks, responded_at)
    if "status_changed_at" in changes:
        turn = levels.stop if changes["status"] in STANDING_STILL else levels.resume
        clocks = turn(clocks, changes["status_changed_at"])
    return _columns(clocks)


def _clocks_of(row: ConversationRow) -> Clocks | None:
    if row.first_response_due_at is None or row.resolution_due_at is None:
        return None
    return Clocks(
        row.first_response_due_at,
        row.resolution_due_at,
        row.first_responded_at,
        row.resolution_left,
    )


def _columns(clocks: Clocks) -> ConversationChanges:
    return {
        "first_response_due_at": clocks.first_response_due_at,
        "first_responded_at": clocks.first_responded_at,
        "resolution_due_at": clocks.resolution_due_at,
        "resolution_left": clocks.resolution_left,
    }
