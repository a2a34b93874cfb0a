"""The table of messages."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Resource
from app.db.marks import FIELDS, INTERNAL, LARGE
from app.domain.conversations import Channel
from app.domain.messages import Direction
from app.models.base import CHANGED, PERSONAL, UNRECORDED, one_of


class Message(Resource):
    """A text in a conversation, from the customer or from the desk.

    A trigger refuses to edit or delete it. Only a merge moves it to another conversation, and only
    an erasure overwrites its personal values. `channel` repeats the conversation's, because
    `external_id` is unique per channel.
    """

    __tablename__ = "messages"

    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id"))
    original_conversation_id: Mapped[UUID | None] = mapped_column(ForeignKey("conversations.id"))
    seq: Mapped[int]
    direction: Mapped[str]
    channel: Mapped[str] = mapped_column(info={INTERNAL: True})
    author_kind: Mapped[str]
    author_id: Mapped[UUID | None]
    author_name: Mapped[str] = mapped_column(info={PERSONAL: True})
    body: Mapped[str] = mapped_column(info={PERSONAL: True, UNRECORDED: True, LARGE: True})
    external_id: Mapped[str | None] = mapped_column(info={PERSONAL: True})

    __table_args__ = (
        CheckConstraint("seq > 0", name="seq"),
        one_of("direction", Direction),
        one_of("channel", Channel),
        CheckConstraint("char_length(body) BETWEEN 1 AND 100000", name="body"),
        CheckConstraint("char_length(external_id) BETWEEN 1 AND 255", name="external_id"),
        {"info": {CHANGED: ("conversation_id", "original_conversation_id", "seq")}},
    )


Index("uq_messages_conversation_id_seq", Message.conversation_id, Message.seq, unique=True)
Index(
    "uq_messages_external_id",
    Message.channel,
    Message.external_id,
    unique=True,
    postgresql_where=text("external_id IS NOT NULL"),
    info={FIELDS: ("external_id",)},
)
Index(
    "ix_messages_original_conversation_id",
    Message.original_conversation_id,
    postgresql_where=text("original_conversation_id IS NOT NULL"),
)
