"""Opens a conversation with its first message and a task about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.db import retry
from app.domain.messages import ExternalIdReused
from app.errors import AlreadyExists
from app.repositories import ConversationRepository
from app.services.conversations import ConversationService
from app.services.kit.base import Service
from app.services.kit.error_paths import errors_within
from app.services.kit.permissions import WRITERS, allowed
from app.services.messages import MessageService
from app.services.tasks import TaskService

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.domain.conversations import NewConversation
    from app.models import Conversation


@dataclass(frozen=True, kw_only=True)
class ConversationOpener(Service):
    repository: ConversationRepository = ConversationRepository()

    @allowed(WRITERS)
    @retry
    def open(self, new: NewConversation) -> tuple[Conversation, bool]:
        """Open the conversation in one unit of work; returns it, and whether it is new.

        A message that was delivered before leads to the conversation that it is in. Raises
        ExternalIdReused.
        """
        with self.database.session() as session:
            if new.message is None or new.message.external_id is None:
                return self._open(session, new), True
            if (known := self._known(session, new)) is not None:
                return known, False
            try:
                with self.database.savepoint():
                    return self._open(session, new), True
            except AlreadyExists:  # another unit of work has delivered it at the same moment
                known = self._known(session, new)
                if known is None:
                    raise
                return known, False

    def _open(self, session: Session, new: NewConversation) -> Conversation:
        conversation = self.related(ConversationService).open(session, new)
        if new.message is not None:
            with errors_within("message"):
                if not self.related(MessageService).post(conversation.id, new.message)[1]:
                    raise AlreadyExists("messages", ("external_id",))  # in another conversation
        if new.task is not None:
            with errors_within("task"):
                about = replace(new.task, conversation_id=conversation.id)
                if not self.related(TaskService).submit(about)[1]:
                    raise AlreadyExists("tasks", ("dedupe_key",))  # of another conversation
        return conversation

    def _known(self, session: Session, new: NewConversation) -> Conversation | None:
        """The conversation with the message that this one repeats; raises ExternalIdReused."""
        if new.message is None:
            return None
        messages = self.related(MessageService)
        with errors_within("message"):
            known = messages.repeated(session, new.channel, new.customer_id, new.message)
            if known is None:
                return None
            found = self.repository.get(session, known.conversation_id)
            if found is None:  # deleted since
                raise ExternalIdReused
            return found
