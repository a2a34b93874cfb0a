"""Claims tasks under a lease, and takes back those whose lease has expired."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from app.db import retry
from app.db.errors import Invalid, Mistake
from app.domain.actors import ActorKind
from app.domain.agents import AgentKind
from app.domain.tasks import TaskStatus
from app.errors import Forbidden
from app.models import Task
from app.repositories import AgentRepository, TaskQueue
from app.repositories.task_claims import ENDING, RUNNABLE
from app.services.kit.base import Service
from app.services.kit.changes import differences
from app.services.kit.permissions import SYSTEM_ONLY, WRITERS_AND_AGENTS, allowed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Connection

    from app.db import Record
    from app.db.repository.writing import Changes

_SEEN_IS_RECORDED_EVERY = timedelta(minutes=1)
_RESCUED_AT_ONCE = 1000
_ENDED_AT_ONCE = 100


@dataclass(frozen=True, kw_only=True)
class TaskQueueService(Service):
    queue: TaskQueue = TaskQueue()
    agents: AgentRepository = AgentRepository()

    @allowed(WRITERS_AND_AGENTS)
    @retry
    def claim(
        self,
        *,
        queues: Sequence[str] | None = None,
        limit: int = 1,
        lease_seconds: int | None = None,
    ) -> list[Record]:
        """Claim up to `limit` tasks; each has the `lease_token` under which it now runs.

        A program holds a task for `lease_seconds`, a person until they end or release it. Raises
        Forbidden for queues that are not the agent's, Invalid for a lease that is too long.
        """
        with self.database.connect() as connection:
            agent = self._claimer(connection)
            wanted = self._queues(agent, queues)
            lease = self._lease(agent, lease_seconds)
            taken = self._take(connection, agent, wanted, limit, lease) if wanted else []
            self._record_each(connection, taken)
            self._note_seen(agent)
            return _running(taken)

    @allowed(SYSTEM_ONLY)
    @retry
    def rescue(self) -> int:
        """Give back up to a thousand tasks whose lease has expired; returns how many.

        A claim does the same for its own queues.
        """
        with self.database.connect() as connection:
            rescued = self.queue.rescue(connection, limit=_RESCUED_AT_ONCE)
            self._record_each(connection, rescued)
            return len(rescued)

    @allowed(SYSTEM_ONLY)
    @retry
    def stats(self) -> list[Record]:
        """The number of tasks by queue and status."""
        with self.database.connect(read_only=True) as connection:
            return self.queue.stats(connection)

    def _take(
        self,
        connection: Connection,
        agent: Record,
        queues: Sequence[str],
        limit: int,
        lease_seconds: int | None,
    ) -> list[Record]:
        """Claim up to `limit` tasks, and end those that have no attempt left."""
        take = partial(
            self.queue.claim,
            connection,
            agent["id"],
            queues,
            lease_seconds=lease_seconds,
            most_bytes=self._budget(limit),
        )
        taken = take(limit=limit)
        if len(taken) == limit and (ended := limit - len(_running(taken))):
            # Some tasks had no attempt left, and were ended instead of claimed. There may be
            # thousands of these: end one batch, and claim only tasks that can run.
            taken += take(limit=_ENDED_AT_ONCE, which=ENDING)
            taken += take(limit=ended, which=RUNNABLE)
        return taken

    def _claimer(self, connection: Connection) -> Record:
        found = None
        if self.actor.kind is ActorKind.AGENT and self.actor.id is not None:
            found = self.agents.at_work(connection, self.actor.id)
        elif self.actor.kind is ActorKind.USER and self.actor.id is not None:
            found = self.agents.of_user(connection, self.actor.id)
        if found is None or not found["is_active"]:
            raise Forbidden("Only an active agent, or the user linked to one, can claim tasks.")
        return found

    def _queues(self, agent: Record, wanted: Sequence[str] | None) -> list[str]:
        own: list[str] = agent["queues"]
        if wanted is None:
            return own
        if foreign := [queue for queue in wanted if queue not in own]:
            raise Forbidden(f"The agent does not work the queues {', '.join(foreign)}.")
        return list(dict.fromkeys(wanted))

    def _lease(self, agent: Record, seconds: int | None) -> int | None:
        longest = self.rules.longest_lease_seconds
        if seconds is not None and seconds > longest:
            detail = f"A lease lasts at most {longest} seconds."
            raise Invalid([Mistake(("lease_seconds",), "range", detail)])
        if agent["kind"] == AgentKind.HUMAN:
            return None
        return min(self.rules.lease_seconds, longest) if seconds is None else seconds

    def _budget(self, limit: int) -> int | None:
        """The most bytes that a claim may return; None where `limit` tasks cannot exceed it."""
        largest = self.rules.task_data_limit.bytes + self.rules.json_limit.bytes
        return None if limit * largest <= self.rules.answer_bytes else self.rules.answer_bytes

    def _note_seen(self, agent: Record) -> None:
        """Record the time after the commit, once a minute: every claim locks the agent's row."""
        seen = agent["last_seen_at"]
        if seen is None or datetime.now(UTC) - seen > _SEEN_IS_RECORDED_EVERY:
            self.database.after_commit(lambda: self._touch(agent["id"]))

    def _touch(self, agent_id: UUID) -> None:
        with self.database.connect() as connection:
            self.agents.touch(connection, agent_id)

    def _record_each(self, connection: Connection, tasks: Sequence[Record]) -> None:
        """Write one event for each task that was claimed, taken over, given back or ended."""
        by_action: dict[str, dict[UUID, Changes]] = defaultdict(dict)
        versions = {task["id"]: task["version"] for task in tasks}
        for task in tasks:
            action = _ACTIONS[task["was"]["status"], task["status"]]
            by_action[action][task["id"]] = differences(Task, task["was"], task)
        for action, changes in by_action.items():
            self.record(connection, action, Task, changes, versions=versions)


_ACTIONS = {
    (TaskStatus.PENDING, TaskStatus.RUNNING): "claimed",
    (TaskStatus.RUNNING, TaskStatus.RUNNING): "taken-over",
    (TaskStatus.RUNNING, TaskStatus.PENDING): "lease-lost",
    (TaskStatus.RUNNING, TaskStatus.FAILED): "failed",
    (TaskStatus.RUNNING, TaskStatus.CANCELLED): "cancelled",
}


def _running(tasks: Sequence[Record]) -> list[Record]:
    return [task for task in tasks if task["status"] == TaskStatus.RUNNING]
