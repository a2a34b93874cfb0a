"""Merges a conversation into another one of the same customer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.db import retry
from app.db.errors import UnknownReference
from app.domain.conversations import (
    ConversationMerged,
    ConversationStatus,
    CustomerMismatch,
    MergeIntoItself,
    after_merge,
    check_conversation_action,
)
from app.errors import NotFound
from app.models import Conversation, Message, Task, Todo
from app.repositories import (
    ConversationRepository,
    MessageRepository,
    TaskRepository,
    TodoRepository,
)
from app.services.conversations import ConversationService
from app.services.kit.base import Service
from app.services.kit.permissions import WRITERS, allowed

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from sqlalchemy.orm import Session

    from app.db.repository.writing import Changes
    from app.repositories.messages import MovedMessage

_MOST_MOVED = 100_000  # tasks or to-dos of one conversation


@dataclass(frozen=True, kw_only=True)
class ConversationMerger(Service):
    repository: ConversationRepository = ConversationRepository()
    messages: MessageRepository = MessageRepository()
    tasks: TaskRepository = TaskRepository()
    todos: TodoRepository = TodoRepository()

    @allowed(WRITERS)
    @retry
    def merge(
        self, key: UUID, into: UUID, *, expected: Collection[int] | None = None
    ) -> Conversation:
        """Move messages, tasks and to-dos into the target, which is returned; close the source.

        Both are locked in the order of their ids. The messages get the next numbers there, in
        their order. The target is open afterwards where the source was, or where one of its
        messages is unanswered. Raises ConversationMerged, CustomerMismatch, MergeIntoItself,
        NotFound, UnknownReference.
        """
        with self.database.session() as session:
            found = self.repository.lock_two(session, key, into)
            if key not in found:
                raise NotFound("conversations", key)
            if key == into:
                raise MergeIntoItself
            if into not in found:
                raise UnknownReference("into")
            source, target = found[key], found[into]
            self._check_merge(source, target)
            conversations = self.related(ConversationService)
            conversations.check_expected(source, expected)
            self._wake_target(session, source, target)
            self._move_contents(session, source, target)
            closed = ConversationStatus.CLOSED
            conversations.move(session, source, closed, action="merged", merged_into_id=into)
            return target

    def _check_merge(self, source: Conversation, target: Conversation) -> None:
        for conversation in (source, target):
            if conversation.merged_into_id is not None:
                raise ConversationMerged(conversation.merged_into_id)
            check_conversation_action("merge", conversation.status)
        if source.customer_id != target.customer_id:
            raise CustomerMismatch

    def _wake_target(self, session: Session, source: Conversation, target: Conversation) -> None:
        """Give the target the status of the two that the desk has to look at sooner."""
        is_resolved = source.status == ConversationStatus.RESOLVED
        last_word = source.status_changed_at if is_resolved else source.created_at
        status = after_merge(
            source.status,
            target.status,
            is_unanswered=self.messages.is_unanswered(session.connection(), source.id, last_word),
        )
        times = [one.snoozed_until for one in (source, target) if one.snoozed_until is not None]
        until = min(times) if status is ConversationStatus.SNOOZED else None
        if (status, until) != (target.status, target.snoozed_until):
            action = "reopened" if until is None else "snoozed"
            conversations = self.related(ConversationService)
            conversations.move(session, target, status, action=action, snoozed_until=until)

    def _move_contents(self, session: Session, source: Conversation, target: Conversation) -> None:
        connection, last = session.connection(), target.last_seq
        moved = self.messages.move(connection, source.id, target.id, last)
        if moved:
            self.repository.take_numbers(connection, target.id, len(moved))
        conversation = (source.id, target.id)
        changes = {message.id: _moved(message, conversation, last) for message in moved}
        self.record(connection, "moved", Message, changes)
        for repository, model in ((self.tasks, Task), (self.todos, Todo)):
            ids = repository.update_where(
                connection,
                {"conversation_id": target.id},
                at_most=_MOST_MOVED,
                conversation_id=source.id,
            )
            changes = {key: {"conversation_id": conversation} for key in ids}
            self.record(connection, "moved", model, changes)
        redirected = self.repository.redirect(connection, source.id, target.id)
        changes = {key: {"merged_into_id": conversation} for key in redirected}
        self.record(connection, "redirected", Conversation, changes)


def _moved(message: MovedMessage, conversation: tuple[UUID, UUID], last: int) -> Changes:
    """The changes of a message that was moved behind number `last` of another conversation."""
    seq, original = message.seq, message.original_conversation_id
    first_time = original == conversation[0]
    changes = {
        "conversation_id": conversation,
        "original_conversation_id": (None if first_time else original, original),
        "seq": (seq - last, seq),
    }
    return {name: of for name, of in changes.items() if of[0] != of[1]}
