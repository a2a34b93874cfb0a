"""Checks the references of a task: its agent, its conversation, its parent."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from app.db.errors import Invalid, Mistake
from app.domain.tasks import OPEN, TaskCycle, TaskStatus, TaskTooDeep
from app.models import Task
from app.repositories import TaskRepository
from app.services.agents import AgentService
from app.services.conversations import ConversationService
from app.services.kit.fields import NO_ROW, reference_in
from app.services.kit.writes import Writes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from sqlalchemy import Connection

    from app.services.kit.fields import Fields

_ADDRESS = frozenset({"agent_id", "queue", "status"})


@dataclass(frozen=True, kw_only=True)
class TaskReferences(Writes[Task]):
    """The order of locks is agent, conversation, tree of tasks, parent, task."""

    repository: TaskRepository = TaskRepository()
    checked_with: ClassVar[Mapping[str, frozenset[str]]] = MappingProxyType(
        {
            "agent_id": _ADDRESS,
            "queue": _ADDRESS,
            "parent_id": frozenset({"id", "parent_id"}),
        }
    )

    def check_live(self, connection: Connection, values: Fields, row: Fields = NO_ROW) -> Fields:
        """Check too: its agent works its queue, its conversation is not merged, it is not too deep.

        A restored open task is for any agent where its own gets no such work any more. Raises
        ConversationMerged, TaskCycle, TaskTooDeep.
        """
        every = {**row, **values}
        replaced = self._check_addressee(connection, values, every)
        self._check_references(connection, values, row, "conversation_id")
        self.related(ConversationService).check_not_merged(connection, every)
        self._lock_place(connection, values, row)
        self._check_references(connection, values, row, "parent_id")
        if (parent_id := reference_in(every, "parent_id")) is not None:
            self._check_depth(connection, parent_id, values, every)
        return replaced

    def _check_references(
        self, connection: Connection, values: Fields, row: Fields, field: str
    ) -> None:
        """Check one field alone, so that rows are locked in the order of this class."""
        of_values, of_row = (
            {k: v for k, v in each.items() if k == field} for each in (values, row)
        )
        super().check_live(connection, of_values, of_row)

    def _check_addressee(self, connection: Connection, values: Fields, every: Fields) -> Fields:
        """Lock the agent. A task that has ended keeps its agent, as history."""
        agent_id, status = reference_in(every, "agent_id"), every.get("status", TaskStatus.PENDING)
        if agent_id is None or status not in OPEN:
            return NO_ROW
        field = "agent_id" if "agent_id" in values else "queue"
        agents = self.related(AgentService)
        mistake = agents.why_unfit(connection, agent_id, field, str(every["queue"]))
        if mistake is not None and values:
            raise Invalid([mistake])
        return NO_ROW if mistake is None else {"agent_id": None}

    def _lock_place(self, connection: Connection, values: Fields, row: Fields) -> None:
        """Lock the tree, so that nobody moves a task in it, then its old and its new parent."""
        given = (reference_in(row, "parent_id"), reference_in(values, "parent_id"))
        if parents := {parent for parent in given if parent is not None}:
            is_moved = "parent_id" in values and "id" in row
            self.repository.lock_tree(connection, shared=not is_moved)
            self.repository.lock_among(connection, parents)

    def _check_depth(
        self, connection: Connection, parent_id: UUID, values: Fields, every: Fields
    ) -> None:
        path = self.repository.path_to(connection, parent_id)
        key = reference_in(every, "id")
        if key in path:
            raise TaskCycle
        below = 1 if key is None else self.repository.levels_below(connection, key)
        most = self.rules.max_task_depth
        if len(path) + below > most and "parent_id" in values:
            detail = f"Tasks are at most {most} levels deep."
            raise Invalid([Mistake(("parent_id",), "range", detail)])
        if len(path) + below > most:
            raise TaskTooDeep(most)
