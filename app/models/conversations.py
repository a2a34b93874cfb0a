"""The table of conversations."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import LIVE, DeletableResource
from app.db.marks import BOOKKEEPING, HISTORY_UNLESS, INTERNAL
from app.domain.conversations import Channel, ConversationStatus, Priority
from app.models.agents import Agent
from app.models.base import PERSONAL, one_of
from app.models.customers import Customer

if TYPE_CHECKING:
    from app.models.messages import Message
    from app.models.tasks import Task


class Conversation(DeletableResource):
    """Messages between a customer and the desk about one subject.

    `last_seq` is the number of the newest message. While the resolution clock is stopped,
    `resolution_left` is the open time that was left when it stopped; negative if overdue.
    """

    __tablename__ = "conversations"

    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id"))
    subject: Mapped[str] = mapped_column(info={PERSONAL: True})
    channel: Mapped[str]
    priority: Mapped[str] = mapped_column(server_default=Priority.NORMAL, default=Priority.NORMAL)
    tags: Mapped[list[str]] = mapped_column(
        ARRAY(Text), default=list, server_default=text("'{}'"), info={PERSONAL: True}
    )
    assignee_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("agents.id"), info={HISTORY_UNLESS: "status <> 'closed'"}
    )
    assignment_reason: Mapped[str | None] = mapped_column(info={PERSONAL: True})
    status: Mapped[str] = mapped_column(
        server_default=ConversationStatus.OPEN, default=ConversationStatus.OPEN
    )
    status_changed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    snoozed_until: Mapped[datetime | None]
    first_response_due_at: Mapped[datetime | None]
    first_responded_at: Mapped[datetime | None]
    resolution_due_at: Mapped[datetime | None]
    resolution_left: Mapped[timedelta | None] = mapped_column(info={INTERNAL: True})
    merged_into_id: Mapped[UUID | None] = mapped_column(ForeignKey("conversations.id"))
    last_seq: Mapped[int] = mapped_column(default=0, server_default="0", info={BOOKKEEPING: True})

    customer: Mapped[Customer] = relationship(lazy="raise")
    assignee: Mapped[Agent | None] = relationship(lazy="raise")
    messages: Mapped[list[Message]] = relationship(
        lazy="raise",
        primaryjoin="Conversation.id == Message.conversation_id",
        order_by="Message.seq",
        viewonly=True,
    )
    tasks: Mapped[list[Task]] = relationship(lazy="raise", order_by="Task.id", viewonly=True)

    __table_args__ = (
        CheckConstraint("char_length(subject) BETWEEN 1 AND 500", name="subject"),
        one_of("channel", Channel),
        one_of("priority", Priority),
        one_of("status", ConversationStatus),
        CheckConstraint("array_position(tags, NULL) IS NULL", name="tags"),
        CheckConstraint(
            "char_length(assignment_reason) BETWEEN 1 AND 1000", name="assignment_reason"
        ),
        CheckConstraint("(status = 'snoozed') = (snoozed_until IS NOT NULL)", name="snoozed_until"),
        CheckConstraint(
            "merged_into_id IS NULL OR (status = 'closed' AND merged_into_id <> id)",
            name="merged_into_id",
        ),
        CheckConstraint("last_seq >= 0", name="last_seq"),
    )


Index("uq_conversations_number", Conversation.number, unique=True)
Index("ix_conversations_customer_id", Conversation.customer_id, Conversation.created_at)
Index("ix_conversations_assignee_id", Conversation.assignee_id, Conversation.status)
Index("ix_conversations_merged_into_id", Conversation.merged_into_id)
Index("ix_conversations_created_at", Conversation.created_at, Conversation.id)
Index("ix_conversations_tags", Conversation.tags, postgresql_using="gin")
Index(
    "ix_conversations_snoozed_until",
    Conversation.snoozed_until,
    postgresql_where=text("status = 'snoozed' AND deleted_at IS NULL"),
)
Index(
    "ix_conversations_resolution_due_at",
    Conversation.resolution_due_at,
    Conversation.id,
    postgresql_where=LIVE,
)
