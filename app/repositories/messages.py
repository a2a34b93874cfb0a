"""Messages: deliveries that repeat, and moves by merges."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, exists, func, select, update
from sqlalchemy.orm import aliased

from app.db import Inserter, filters_on, sorts_on
from app.domain.messages import Direction
from app.models import Conversation, Message

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection, Row, Select
    from sqlalchemy.orm import Session


_MESSAGES, _CONVERSATIONS = Message.__table__, Conversation.__table__

_DELIVERED: Select[Message, UUID, bool] = (
    select(
        Message,
        _CONVERSATIONS.c.customer_id,
        _CONVERSATIONS.c.deleted_at.is_not(None).label("is_deleted"),
    )
    .select_from(Message)
    .join(_CONVERSATIONS, _CONVERSATIONS.c.id == Message.conversation_id)
    .where(Message.channel == bindparam("channel"), Message.external_id == bindparam("external_id"))
)

# The moved messages get the numbers after `last`, in their order. The caller has reserved these.
_MOVED = (
    select(
        _MESSAGES.c.id,
        func.row_number().over(order_by=_MESSAGES.c.seq).label("position"),
    )
    .where(_MESSAGES.c.conversation_id == bindparam("source"))
    .cte("moved")
)
_MOVE = (
    update(_MESSAGES)
    .where(_MESSAGES.c.id == _MOVED.c.id)
    .values(
        conversation_id=bindparam("target"),
        original_conversation_id=func.coalesce(
            _MESSAGES.c.original_conversation_id, _MESSAGES.c.conversation_id
        ),
        seq=bindparam("last") + _MOVED.c.position,
    )
    .returning(_MESSAGES.c.id, _MESSAGES.c.seq, _MESSAGES.c.original_conversation_id)
)


_LATER = aliased(_MESSAGES)
_UNANSWERED = select(
    exists().where(
        _MESSAGES.c.conversation_id == bindparam("conversation"),
        _MESSAGES.c.direction == Direction.INBOUND,
        _MESSAGES.c.created_at >= bindparam("since"),
        ~exists().where(
            _LATER.c.conversation_id == _MESSAGES.c.conversation_id,
            _LATER.c.direction == Direction.OUTBOUND,
            _LATER.c.seq > _MESSAGES.c.seq,
        ),
    )
)


class MovedMessage(NamedTuple):
    """A message that was moved, with its columns from after the move."""

    id: UUID
    seq: int
    original_conversation_id: UUID


class MessageRepository(Inserter[Message]):
    model = Message
    filters = filters_on(
        Message.conversation_id,
        Message.seq,
        Message.direction,
        Message.author_kind,
        Message.author_id,
        Message.external_id,
        Message.created_at,
    )
    sorts = sorts_on(Message.created_at, Message.seq)
    searched = Message.body.expression

    def delivered(
        self, session: Session, channel: str, external_id: str
    ) -> Row[Message, UUID, bool] | None:
        """The message of this channel that has the external id already, of any customer.

        With the `customer_id` of its conversation, and `is_deleted`: whether that is deleted.
        """
        bound = {"channel": channel, "external_id": external_id}
        return session.execute(_DELIVERED, bound).one_or_none()

    def is_unanswered(self, connection: Connection, conversation_id: UUID, since: datetime) -> bool:
        """Whether the customer has written since then without a later answer of the desk."""
        bound = {"conversation": conversation_id, "since": since}
        found: bool = connection.execute(_UNANSWERED, bound).scalar_one()
        return found

    def move(
        self, connection: Connection, source: UUID, target: UUID, last: int
    ) -> list[MovedMessage]:
        """Move all messages of `source` to the end of `target`, whose last number is `last`."""
        bound = {"source": source, "target": target, "last": last}
        return list(map(MovedMessage._make, connection.execute(_MOVE, bound)))
