from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from app.db.types import TransactionId
from app.models.base import CHANGED, PERSONAL, SECRET, Base, Identified


class Event(Identified):
    """One change of one thing. A trigger refuses to change or remove it, but for what was written
    of personal columns before they were marked so: that may be erased.

    `xid` is the id of the writer's transaction: with it a feed can wait for late commits.
    """

    __tablename__ = "events"

    occurred_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    xid: Mapped[int] = mapped_column(TransactionId, server_default=func.pg_current_xact_id())
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str]
    action: Mapped[str]
    object_type: Mapped[str]
    object_id: Mapped[UUID]
    changes: Mapped[dict[str, Any]]
    request_id: Mapped[str | None]

    __table_args__ = (
        CheckConstraint("jsonb_typeof(changes) = 'object'", name="changes"),
        CheckConstraint("char_length(request_id) BETWEEN 1 AND 64", name="request_id"),
        {"info": {CHANGED: ()}},
    )


class PersonalValues(Base):
    """The values of personal columns in an event's changes: they can be erased, not altered."""

    __tablename__ = "event_personal_values"

    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id"), primary_key=True)
    changes: Mapped[dict[str, Any]] = mapped_column(info={PERSONAL: True})

    __table_args__ = (
        CheckConstraint("jsonb_typeof(changes) = 'object'", name="changes"),
        {"info": {CHANGED: (), SECRET: True}},
    )


Index("ix_events_occurred_at", Event.occurred_at, Event.id)
Index("ix_events_object_id", Event.object_id, Event.occurred_at, Event.id)
Index("ix_events_xid", Event.xid, Event.id)
