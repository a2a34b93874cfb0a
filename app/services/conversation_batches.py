"""Assigns and resolves all conversations that fit a filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.db import retry
from app.db.errors import Invalid, Mistake
from app.domain.agents import ASSIGNED, assignment_action
from app.domain.conversations import ConversationStatus, CountMismatch, statuses_for
from app.models import Conversation
from app.repositories import AgentRepository, ConversationRepository
from app.services.agents import AgentService
from app.services.conversations import ConversationService
from app.services.kit.base import Service
from app.services.kit.permissions import WRITERS, allowed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Connection, Row

    from app.db.repository.writing import Changes
    from app.domain.conversations import (
        BatchAssignment,
        ConversationBatch,
        ConversationChanges,
    )


@dataclass(frozen=True, kw_only=True)
class ConversationBatchService(Service):
    """Acts on all conversations of a batch whose status allows the action; returns how many.

    Where they are not as many as expected, nothing is done. Raises CountMismatch, Invalid.
    """

    repository: ConversationRepository = ConversationRepository()
    agents: AgentRepository = AgentRepository()

    @allowed(WRITERS)
    @retry
    def assign(self, batch: BatchAssignment) -> int:
        agent_id = batch.agent_id
        with self.database.connect() as connection:
            if agent_id is not None:  # every service locks agents before conversations
                self.related(AgentService).check_active(connection, agent_id, "agent_id")
            if batch.dry_run:
                return self._count(connection, "assign", batch)
            rows = self._locked(connection, "assign", batch)
            changes: ConversationChanges = {
                "assignee_id": agent_id,
                "assignment_reason": batch.reason,
            }
            actions = self._assignments(connection, rows, agent_id)
            self._change(connection, rows, [changes] * len(rows), actions)
            return len(rows)

    @allowed(WRITERS)
    @retry
    def resolve(self, batch: ConversationBatch) -> int:
        with self.database.connect() as connection:
            if batch.dry_run:
                return self._count(connection, "resolve", batch)
            rows = self._locked(connection, "resolve", batch)
            moved = self.related(ConversationService).moved
            values = [moved(row, ConversationStatus.RESOLVED) for row in rows]
            self._change(connection, rows, values, ["resolved"] * len(rows))
            return len(rows)

    def _count(self, connection: Connection, action: str, batch: ConversationBatch) -> int:
        count = self.repository.count_in(connection, statuses_for(action), batch.filter)
        expected = batch.expected_count
        if expected not in (None, count):
            raise CountMismatch(expected or 0, count)
        return count

    def _locked(
        self, connection: Connection, action: str, batch: ConversationBatch
    ) -> Sequence[Row[Any]]:
        statuses, filters, expected = statuses_for(action), batch.filter, batch.expected_count
        if expected is None:
            raise Invalid([Mistake(("expected_count",), "required", "It is required.")])
        rows = self.repository.lock_in(connection, statuses, filters, limit=expected + 1)
        if len(rows) != expected:
            count = self.repository.count_in(connection, statuses, filters)
            raise CountMismatch(expected, count)
        return rows

    def _assignments(
        self, connection: Connection, rows: Sequence[Row[Any]], agent_id: UUID | None
    ) -> list[str]:
        """The action of each row's event: it is handed off from a person to a program, or back."""
        old = {row.assignee_id for row in rows} - {None}
        if agent_id is None or not old - {agent_id}:
            return [ASSIGNED] * len(rows)
        kinds = self.agents.kinds(connection, {agent_id, *old})
        return [assignment_action(kinds.get(row.assignee_id), kinds[agent_id]) for row in rows]

    def _change(
        self,
        connection: Connection,
        rows: Sequence[Row[Any]],
        values: Sequence[ConversationChanges],
        actions: Sequence[str],
    ) -> None:
        """Two statements for all rows; a row that stays the same gets no version and no event."""
        changed, events = [], []
        completed = self.related(ConversationService).completed
        for row, given, action in zip(rows, values, actions, strict=True):
            wanted = completed(row, given)
            pairs: Changes = {name: (getattr(row, name), new) for name, new in wanted.items()}
            if changes := {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}:
                changed.append({"id": row.id, **wanted})
                events.append(self._event(action, Conversation, row.id, changes))
        self.repository.update_each(connection, changed)
        self.events.add_many(connection, Conversation, events)
