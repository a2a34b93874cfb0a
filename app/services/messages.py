from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.db import Query, retry
from app.db.errors import Invalid, Mistake
from app.domain.actors import ActorKind
from app.domain.conversations import ConversationMerged, after_message, check_conversation_action
from app.domain.messages import Direction, ExternalIdReused
from app.errors import AlreadyExists, Forbidden, NotFound
from app.models import Conversation, Message
from app.repositories import ConversationRepository, CustomerRepository, MessageRepository
from app.services.conversations import ConversationService
from app.services.kit.base import Service
from app.services.kit.changes import initial_values
from app.services.kit.fields import fields_of
from app.services.kit.permissions import READERS_AND_AGENTS, WRITERS_AND_AGENTS, allowed
from app.services.kit.reads import read_page

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from app.db import Page, Record, Total
    from app.domain.conversations import ConversationEffects
    from app.domain.messages import NewMessage


@dataclass(frozen=True, kw_only=True)
class MessageService(Service):
    """Messages are posted and read, never changed."""

    messages: MessageRepository = MessageRepository()
    conversations: ConversationRepository = ConversationRepository()
    customers: CustomerRepository = CustomerRepository()

    @allowed(READERS_AND_AGENTS)
    @retry
    def get(self, key: UUID) -> Record:
        with self.database.connect(read_only=True) as connection:
            message = self.messages.record(connection, key)
            if message is None and self.actor.kind is not ActorKind.AGENT:
                raise NotFound("messages", key)
            # An agent cannot find out either whether a message exists that it may not see.
            conversation_id = key if message is None else message["conversation_id"]
            self._require_visible(connection, conversation_id)
            if message is None or not self.conversations.exists(connection, conversation_id):
                raise NotFound("messages", key)
            return message

    @allowed(READERS_AND_AGENTS)
    @retry
    def page(
        self, conversation_id: UUID, query: Query, *, total: bool = False
    ) -> tuple[Page[Record], Total | None]:
        """A page of the messages of one conversation."""
        with self.database.connect(read_only=True) as connection:
            self._require_visible(connection, conversation_id)
            if not self.conversations.exists(connection, conversation_id):
                raise NotFound("conversations", conversation_id)
            of = replace(query, filters={**query.filters, "conversation_id": conversation_id})
            return read_page(connection, self.messages, of, total=total)

    @allowed(WRITERS_AND_AGENTS)
    @retry
    def post(self, conversation_id: UUID, new: NewMessage) -> tuple[Message, bool]:
        """Add a message, or find the one that was delivered under its `external_id` before.

        Returns it and whether it is new. Messages of a conversation are added one at a time, so
        that their numbers have no gap. Raises ConversationMerged, ExternalIdReused,
        InvalidTransition.
        """
        with self.database.session() as session:
            self._check_author(session.connection(), conversation_id, new)
            conversation = self.related(ConversationService).locked(session, conversation_id)
            if (known := self.repeated_in(session, conversation, new)) is not None:
                return known, False
            if conversation.merged_into_id is not None:
                raise ConversationMerged(conversation.merged_into_id)
            check_conversation_action("message", conversation.status)
            return self.add_once(session, conversation, new, self._post)

    def repeated(
        self, session: Session, channel: str, customer_id: UUID, new: NewMessage
    ) -> Message | None:
        """The message that this one repeats: of the same customer, with the same content.

        Raises ExternalIdReused where anything differs, or where its conversation is deleted: the
        caller learns nothing of the other message.
        """
        if new.external_id is None:
            return None
        known = self.messages.delivered(session, channel, new.external_id)
        if known is None:
            return None
        message, owner, is_deleted = known
        content = (customer_id, new.direction, new.body)
        if is_deleted or (owner, message.direction, message.body) != content:
            raise ExternalIdReused
        return message

    def repeated_in(
        self, session: Session, conversation: Conversation, new: NewMessage
    ) -> Message | None:
        """As `repeated`, for the customer of the conversation, or of the one it was merged into."""
        into = conversation.merged_into_id
        place = None if into is None else self.conversations.get(session, into)
        customer_id = (place or conversation).customer_id
        return self.repeated(session, conversation.channel, customer_id, new)

    def add_once(
        self,
        session: Session,
        conversation: Conversation,
        new: NewMessage,
        add: Callable[[Session, Conversation, NewMessage], Message],
    ) -> tuple[Message, bool]:
        """Call `add`, or find the message that another unit of work delivers at the same moment."""
        if new.external_id is None:
            return add(session, conversation, new), True
        try:
            with self.database.savepoint():
                return add(session, conversation, new), True
        except AlreadyExists:
            known = self.repeated_in(session, conversation, new)
            if known is None:
                raise
            return known, False

    def add(self, session: Session, conversation: Conversation, new: NewMessage) -> Message:
        """Insert it as the next message of a locked conversation."""
        self._check_external_id(new)
        connection = session.connection()
        seq = self.conversations.take_numbers(connection, conversation.id)
        message = Message(
            **fields_of(new),
            conversation_id=conversation.id,
            channel=conversation.channel,
            seq=seq,
            **self._author(connection, conversation, new.direction),
        )
        self.messages.add(session, message)
        changes, versions = {message.id: initial_values(message)}, {message.id: message.version}
        self.record(connection, "created", Message, changes, versions=versions)
        return message

    def effect(self, conversation: Conversation, direction: str) -> ConversationEffects:
        """The changes of a conversation by a message of this direction, without its status."""
        if direction == Direction.OUTBOUND and conversation.first_responded_at is None:
            return {"first_responded_at": datetime.now(UTC)}
        return {}

    def _post(self, session: Session, conversation: Conversation, new: NewMessage) -> Message:
        message = self.add(session, conversation, new)
        status = after_message(
            conversation.status,
            new.direction,
            since=datetime.now(UTC) - conversation.status_changed_at,
            reopen_window=self.rules.reopen_window,
        )
        effect = self.effect(conversation, new.direction)
        if effect or status != conversation.status:
            action = "reopened" if new.direction == Direction.INBOUND else "answered"
            conversations = self.related(ConversationService)
            conversations.move(session, conversation, status, action=action, **effect)
        return message

    def _author(
        self, connection: Connection, conversation: Conversation, direction: str
    ) -> dict[str, object]:
        if direction != Direction.INBOUND:
            actor = self.actor
            return {"author_kind": actor.kind, "author_id": actor.id, "author_name": actor.name}
        customer = self.customers.record(connection, conversation.customer_id, include_deleted=True)
        return {
            "author_kind": ActorKind.CUSTOMER,
            "author_id": conversation.customer_id,
            "author_name": "" if customer is None else customer["name"],
        }

    def _check_author(self, connection: Connection, key: UUID, new: NewMessage) -> None:
        self._require_visible(connection, key)
        if self.actor.kind is ActorKind.AGENT and new.direction == Direction.INBOUND:
            raise Forbidden("An agent cannot post an inbound message.")
        self._check_external_id(new)

    def _check_external_id(self, new: NewMessage) -> None:
        """An agent could take the id of a mail that is still to come, and so suppress the mail."""
        if self.actor.kind is ActorKind.AGENT and new.external_id is not None:
            detail = "An agent's token sets no external_id; send an Idempotency-Key instead."
            raise Invalid([Mistake(("external_id",), "not-allowed", detail)])

    def _require_visible(self, connection: Connection, conversation_id: UUID) -> None:
        self.related(ConversationService).require_visible(connection, conversation_id)
