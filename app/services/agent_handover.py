"""Hands the work of agents over: to another agent, or to any."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.domain.agents import assignment_action
from app.domain.tasks import TaskStatus
from app.models import Conversation, Task
from app.repositories import AgentRepository, ConversationRepository, TaskQueue
from app.services.kit.base import Service
from app.services.kit.changes import differences

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from sqlalchemy import Connection

    from app.db.repository.writing import Changes

_MOST_REASSIGNED = 100_000  # conversations


@dataclass(frozen=True, kw_only=True)
class AgentHandover(Service):
    """The caller has locked the agents. Locks conversations before tasks, as every service."""

    agents: AgentRepository = AgentRepository()
    queue: TaskQueue = TaskQueue()
    conversations: ConversationRepository = ConversationRepository()

    def queues_of(self, connection: Connection, agent_id: UUID) -> list[str]:
        """The queues of the tasks that the agent would hand over."""
        return self.queue.queues_of(connection, agent_id)

    def hand_over(
        self, connection: Connection, agents: Collection[UUID], *, to: UUID | None = None
    ) -> None:
        """Hand over open conversations, running tasks, and tasks addressed to these agents."""
        if agents:
            self._reassign(connection, agents, to)
            self._give_back(connection, agents, to)
            self._readdress(connection, agents, to=to)

    def give_back(self, connection: Connection, agent_id: UUID) -> None:
        """Make the tasks that the agent runs pending again, for any agent."""
        self._give_back(connection, [agent_id], None)

    def leave_queues(
        self, connection: Connection, agent_id: UUID, remaining: Collection[str]
    ) -> None:
        """Give open tasks addressed to the agent to any agent, unless they are in these queues."""
        self._readdress(connection, [agent_id], but_in=remaining)

    def _reassign(self, connection: Connection, agents: Collection[UUID], to: UUID | None) -> None:
        rows = self.conversations.reassign(connection, agents, to, at_most=_MOST_REASSIGNED)
        kinds = self.agents.kinds(connection, {*agents, to} - {None}) if to and rows else {}
        by_action: dict[str, dict[UUID, Changes]] = defaultdict(dict)
        for row in rows:
            old = row.assignee_id
            changes: Changes = {"assignee_id": (old, to)}
            if row.assignment_reason is not None:
                changes["assignment_reason"] = (row.assignment_reason, None)
            action = assignment_action(kinds.get(old), None if to is None else kinds.get(to))
            by_action[action][row.id] = changes
        for action, of in by_action.items():
            self.record(connection, action, Conversation, of)

    def _give_back(self, connection: Connection, agents: Collection[UUID], to: UUID | None) -> None:
        given_back = self.queue.give_back(connection, agents, to=to)
        for action, status in (
            ("released", TaskStatus.PENDING),
            ("cancelled", TaskStatus.CANCELLED),
        ):
            ended = [task for task in given_back if task["status"] == status]
            changes = {task["id"]: differences(Task, task["was"], task) for task in ended}
            versions = {task["id"]: task["version"] for task in ended}
            self.record(connection, action, Task, changes, versions=versions)

    def _readdress(
        self,
        connection: Connection,
        agents: Collection[UUID],
        *,
        to: UUID | None = None,
        but_in: Collection[str] = (),
    ) -> None:
        readdressed = self.queue.readdress(connection, agents, to=to, but_in=but_in)
        changes = {task: {"agent_id": (old, to)} for task, old in readdressed.items()}
        self.record(connection, "updated", Task, changes)
