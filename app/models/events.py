"""The tables of events and of their personal values."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    Sequence,
    Text,
    func,
    literal_column,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Identified
from app.db.marks import LARGE, SECRET
from app.models.base import CHANGED, JSON, PERSONAL
from app.models.types import TransactionId

EPOCHS = Sequence("event_epochs", metadata=Base.metadata)
"""Its last value is the epoch of the events that are written now; 0 before the first restore."""

CURRENT_EPOCH = text("coalesce(pg_sequence_last_value('event_epochs'), 0)")


class Event(Identified):
    """One change of one object. A trigger refuses to change or delete events, with one exception:
    values of columns that became PERSONAL after the event was written may be erased.

    `object_version` is the object's version after the change. `xid` is the id of the writer's
    transaction: by it the feed waits for transactions that commit late. It is unique within an
    `epoch`. Restoring a dump begins a new epoch, because the new server counts its transactions
    from the beginning.
    """

    __tablename__ = "events"

    occurred_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    epoch: Mapped[int] = mapped_column(BigInteger, server_default=CURRENT_EPOCH)
    xid: Mapped[int] = mapped_column(TransactionId, server_default=func.pg_current_xact_id())
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str]
    action: Mapped[str]
    object_type: Mapped[str]
    object_id: Mapped[UUID]
    object_version: Mapped[int | None]
    changes: Mapped[JSON] = mapped_column(info={LARGE: True})
    request_id: Mapped[str | None]

    __table_args__ = (
        CheckConstraint("jsonb_typeof(changes) = 'object'", name="changes"),
        CheckConstraint("char_length(request_id) BETWEEN 1 AND 64", name="request_id"),
        {"info": {CHANGED: ()}},
    )


class PersonalValues(Base):
    """The part of an event's changes that is personal. It can be erased, but not altered."""

    __tablename__ = "event_personal_values"

    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id"), primary_key=True)
    changes: Mapped[JSON] = mapped_column(info={PERSONAL: True})

    __table_args__ = (
        CheckConstraint("jsonb_typeof(changes) = 'object'", name="changes"),
        {"info": {CHANGED: (), SECRET: True}},
    )


Index("ix_events_occurred_at", Event.occurred_at, Event.id)
Index("ix_events_object_id", Event.object_id, Event.occurred_at, Event.id)
Index("ix_events_feed", Event.epoch, Event.xid, Event.id)


def before(name: str) -> ColumnElement[str]:
    """The value of the field before the change, as text; indexed for the fields in MOVED."""
    return literal_column(f"(events.changes #>> '{{{name},before}}')", Text)


MOVED = ("conversation_id", "customer_id", "parent_id")
"""References to the row that a row is part of. Few events change one; an erasure looks for them."""

for _name in MOVED:
    _before = f"(changes #>> '{{{_name},before}}')"
    Index(
        f"ix_events_{_name}_before",
        text(_before),
        postgresql_where=text(f"{_before} IS NOT NULL"),
        _table=Event.__table__,
    )
