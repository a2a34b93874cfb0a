"""Resolves a conversation, with a last message, a refund and a completed task."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.db import retry
from app.db.errors import UnknownReference
from app.domain.conversations import ConversationStatus, Resolution
from app.domain.messages import Direction
from app.domain.transactions import NewTransaction, TransactionKind
from app.domain.unset import Unset
from app.repositories import TaskRepository
from app.services.conversations import ConversationService
from app.services.kit.base import Service
from app.services.kit.error_paths import errors_within
from app.services.kit.permissions import WRITERS, allowed
from app.services.messages import MessageService
from app.services.task_leases import TaskLeaseService
from app.services.transactions import TransactionService

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from sqlalchemy.orm import Session

    from app.domain.conversations import ConversationEffects
    from app.domain.messages import NewMessage
    from app.domain.tasks import TaskCompletion
    from app.domain.transactions import Refund
    from app.models import Conversation

_NOTHING_MORE = Resolution()


@dataclass(frozen=True, kw_only=True)
class ConversationResolver(Service):
    tasks: TaskRepository = TaskRepository()

    @allowed(WRITERS)
    @retry
    def resolve(
        self,
        key: UUID,
        resolution: Resolution = _NOTHING_MORE,
        *,
        expected: Collection[int] | None = None,
    ) -> Conversation:
        """All in one unit of work; the refund is a transaction that names the conversation.

        Raises InvalidTransition, ConversationMismatch, and what the message, the task and the
        refund raise, with paths below their fields.
        """
        conversations = self.related(ConversationService)
        with self.database.session() as session:
            conversation = conversations.locked_for(session, key, "resolve", expected)
            effect = self._send(session, conversation, resolution.message)
            if resolution.complete_task is not None:
                self._complete(session, key, resolution.complete_task)
            if resolution.refund is not None:
                self._refund(session, key, resolution.refund, resolution.complete_task)
            status = ConversationStatus.RESOLVED
            conversations.move(session, conversation, status, action="resolved", **effect)
            return conversation

    def _send(
        self, session: Session, conversation: Conversation, message: NewMessage | None
    ) -> ConversationEffects:
        """Write to the customer, unless this message was sent before; returns what that changes."""
        if message is None:
            return {}
        messages, new = self.related(MessageService), replace(message, direction=Direction.OUTBOUND)
        with errors_within("message"):
            if messages.repeated_in(session, conversation, new) is not None:
                return {}
            is_new = messages.add_once(session, conversation, new, messages.add)[1]
        return messages.effect(conversation, Direction.OUTBOUND) if is_new else {}

    def _complete(self, session: Session, key: UUID, task: TaskCompletion) -> None:
        with errors_within("complete_task"):
            self._check_is_about(session, task.id, key, "id")
            self.related(TaskLeaseService).complete(task.id, task.lease_token, task.output)

    def _refund(
        self, session: Session, key: UUID, refund: Refund, task: TaskCompletion | None
    ) -> None:
        task_id = refund.task_id
        if isinstance(task_id, Unset):
            task_id = None if task is None else task.id
        new = NewTransaction(
            kind=TransactionKind.REFUND,
            entries=refund.entries,
            description=refund.description,
            reference=refund.reference,
            conversation_id=key,
            task_id=task_id,
        )
        with errors_within("refund"):
            self._check_is_about(session, task_id, key, "task_id")
            self.related(TransactionService).create(new)

    def _check_is_about(
        self, session: Session, task_id: UUID | None, key: UUID, field: str
    ) -> None:
        """Raises UnknownReference where `field` names a task that is not about the conversation."""
        task = None if task_id is None else self.tasks.record(session.connection(), task_id)
        if task_id is not None and (task is None or task["conversation_id"] != key):
            raise UnknownReference(field)
