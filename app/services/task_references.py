"""What a task refers to: the agent that it is addressed to, its conversation, its parent."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from app.db.errors import Invalid, Mistake
from app.domain.tasks import OPEN, TaskCycle, TaskStatus, TaskTooDeep
from app.models import Task
from app.repositories import TaskRepository
from app.services.agents import AgentService
from app.services.conversations import ConversationService
from app.services.kit.fields import NO_ROW
from app.services.kit.writes import Writes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

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

    def check_live(
        self, connection: Connection, values: Mapping[str, Any], row: Mapping[str, Any] = NO_ROW
    ) -> Mapping[str, Any]:
        """Also: its agent works its queue, its conversation is not merged, it is not too deep.

        An open task that comes back is for any agent where its own gets no such work any more.
        Raises ConversationMerged, TaskCycle, TaskTooDeep.
        """
        every = {**row, **values}
        replaced = self._check_addressee(connection, values, every)
        self._check_references(connection, values, row, "conversation_id")
        self.related(ConversationService).check_not_merged(connection, every)
        self._lock_place(connection, values, row)
        self._check_references(connection, values, row, "parent_id")
        if every.get("parent_id") is not None:
            self._check_depth(connection, values, every)
        return replaced

    def _check_references(
        self, connection: Connection, values: Mapping[str, Any], row: Mapping[str, Any], field: str
    ) -> None:
        """Of one field, to lock what it refers to in its turn."""
        of_values, of_row = (
            {k: v for k, v in each.items() if k == field} for each in (values, row)
        )
        super().check_live(connection, of_values, of_row)

    def _check_addressee(
        self, connection: Connection, values: Mapping[str, Any], every: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Lock the agent. That of a task that has ended is history."""
        agent_id, status = every.get("agent_id"), every.get("status", TaskStatus.PENDING)
        if agent_id is None or status not in OPEN:
            return NO_ROW
        field = "agent_id" if "agent_id" in values else "queue"
        agents = self.related(AgentService)
        mistake = agents.why_unfit(connection, agent_id, field, every["queue"])
        if mistake is not None and values:
            raise Invalid([mistake])
        return NO_ROW if mistake is None else {"agent_id": None}

    def _lock_place(
        self, connection: Connection, values: Mapping[str, Any], row: Mapping[str, Any]
    ) -> None:
        """The parents that it has and gets, after the tree: nobody moves one of them meanwhile."""
        given = (row.get("parent_id"), values.get("parent_id"))
        if parents := {parent for parent in given if parent is not None}:
            is_moved = "parent_id" in values and "id" in row
            self.repository.lock_tree(connection, shared=not is_moved)
            self.repository.lock_among(connection, parents)

    def _check_depth(
        self, connection: Connection, values: Mapping[str, Any], every: Mapping[str, Any]
    ) -> None:
        path = self.repository.path_to(connection, every["parent_id"])
        key = every.get("id")
        if key in path:
            raise TaskCycle
        below = 1 if key is None else self.repository.levels_below(connection, key)
        most = self.rules.max_task_depth
        if len(path) + below > most and "parent_id" in values:
            detail = f"Tasks are at most {most} levels deep."
            raise Invalid([Mistake(("parent_id",), "range", detail)])
        if len(path) + below > most:
            raise TaskTooDeep(most)
