"""Assigns, snoozes, wakes, re-opens and closes conversations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.db import retry
from app.db.errors import Invalid, Mistake
from app.domain.agents import ASSIGNED
from app.domain.conversations import ConversationStatus
from app.repositories import ConversationRepository, TaskRepository
from app.services.agents import AgentService
from app.services.conversations import ConversationService
from app.services.kit.base import Service
from app.services.kit.permissions import SYSTEM_ONLY, WRITERS, allowed

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from app.domain.conversations import ConversationChanges
    from app.models import Conversation

_WOKEN_AT_ONCE = 100


@dataclass(frozen=True, kw_only=True)
class ConversationLifecycle(Service):
    """`expected` are the states that the caller knows: ConversationMismatch for any other."""

    repository: ConversationRepository = ConversationRepository()
    tasks: TaskRepository = TaskRepository()

    @allowed(WRITERS)
    @retry
    def assign(
        self,
        key: UUID,
        agent_id: UUID | None,
        *,
        reason: str | None = None,
        expected: Collection[int] | None = None,
    ) -> Conversation:
        """Assign it to an agent, or to nobody; from a person to a program or back: hand it off."""
        with self.database.session() as session:
            try:  # every service locks agents before conversations
                if agent_id is not None:
                    agents = self.related(AgentService)
                    agents.check_active(session.connection(), agent_id, "agent_id")
            except Invalid:
                self._conversations.locked_for(session, key, "assign")  # NotFound is reported first
                raise
            conversation = self._conversations.locked_for(session, key, "assign", expected)
            values: ConversationChanges = {"assignee_id": agent_id, "assignment_reason": reason}
            self._conversations.apply(session, conversation, values, action=ASSIGNED)
            return conversation

    @allowed(WRITERS)
    @retry
    def snooze(
        self, key: UUID, until: datetime, *, expected: Collection[int] | None = None
    ) -> Conversation:
        with self.database.session() as session:
            conversation = self._conversations.locked_for(session, key, "snooze", expected)
            if until <= datetime.now(UTC):
                raise Invalid([Mistake(("until",), "range", "It must be in the future.")])
            status = ConversationStatus.SNOOZED
            self._conversations.move(
                session, conversation, status, action="snoozed", snoozed_until=until
            )
            return conversation

    @allowed(WRITERS)
    @retry
    def reopen(self, key: UUID, *, expected: Collection[int] | None = None) -> Conversation:
        return self._move(key, "reopen", ConversationStatus.OPEN, "reopened", expected)

    @allowed(WRITERS)
    @retry
    def close(self, key: UUID, *, expected: Collection[int] | None = None) -> Conversation:
        """Close it for good; raises InvalidTransition, ConversationMismatch."""
        return self._move(key, "close", ConversationStatus.CLOSED, "closed", expected)

    @allowed(SYSTEM_ONLY)
    @retry
    def wake_due(self) -> int:
        """Open up to a hundred whose `snoozed_until` has come; returns how many.

        Safe to run twice and in parallel.
        """
        with self.database.session() as session:
            due = self.repository.due(session, limit=_WOKEN_AT_ONCE)
            for conversation in due:
                self._conversations.move(
                    session, conversation, ConversationStatus.OPEN, action="woken"
                )
            return len(due)

    @property
    def _conversations(self) -> ConversationService:
        return self.related(ConversationService)

    def _move(
        self,
        key: UUID,
        verb: str,
        status: ConversationStatus,
        action: str,
        expected: Collection[int] | None,
    ) -> Conversation:
        with self.database.session() as session:
            conversation = self._conversations.locked_for(session, key, verb, expected)
            self._conversations.move(session, conversation, status, action=action)
            return conversation
