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
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import Connection, Row

    from app.db.repository.writing import Changes
    from app.domain.conversations import ConversationChanges

    Filters = Mapping[str, object]
    """Values by the names of the list's filters, such as `priority__in`."""


@dataclass(frozen=True, kw_only=True)
class ConversationBatchService(Service):
    """Acts on all conversations that fit the filters and whose status allows the action.

    `expected` is how many the caller expects: for any other number nothing is done, and
    CountMismatch is raised. `dry_run` only counts them. Each method returns the number.
    """

    repository: ConversationRepository = ConversationRepository()
    agents: AgentRepository = AgentRepository()

    @allowed(WRITERS)
    @retry
    def assign(
        self,
        filters: Filters,
        agent_id: UUID | None,
        *,
        reason: str | None = None,
        expected: int | None = None,
        dry_run: bool = False,
    ) -> int:
        with self.database.connect() as connection:
            if agent_id is not None:  # every service locks agents before conversations
                self.related(AgentService).check_active(connection, agent_id, "agent_id")
            if dry_run:
                return self._count(connection, "assign", filters, expected)
            rows = self._locked(connection, "assign", filters, expected)
            values: ConversationChanges = {"assignee_id": agent_id, "assignment_reason": reason}
            actions = self._assignments(connection, rows, agent_id)
            self._change(connection, rows, [values] * len(rows), actions)
            return len(rows)

    @allowed(WRITERS)
    @retry
    def resolve(
        self, filters: Filters, *, expected: int | None = None, dry_run: bool = False
    ) -> int:
        with self.database.connect() as connection:
            if dry_run:
                return self._count(connection, "resolve", filters, expected)
            rows = self._locked(connection, "resolve", filters, expected)
            moved = self.related(ConversationService).moved
            values = [moved(row, ConversationStatus.RESOLVED) for row in rows]
            self._change(connection, rows, values, ["resolved"] * len(rows))
            return len(rows)

    def _count(
        self, connection: Connection, action: str, filters: Filters, expected: int | None
    ) -> int:
        count = self.repository.count_in(connection, statuses_for(action), filters)
        if expected not in (None, count):
            raise CountMismatch(expected or 0, count)
        return count

    def _locked(
        self, connection: Connection, action: str, filters: Filters, expected: int | None
    ) -> Sequence[Row[Any]]:
        if expected is None:
            raise Invalid([Mistake(("expected_count",), "required", "It is required.")])
        statuses = statuses_for(action)
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
