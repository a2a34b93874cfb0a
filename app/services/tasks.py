from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from app.db import retry
from app.domain.actors import ActorKind
from app.domain.subtasks import as_subtask
from app.domain.tasks import TaskStatus, check_action, due_now_or_later
from app.errors import AlreadyExists, Forbidden, Invalid, Mistake, NotFound, VersionMismatch
from app.models import Task
from app.repositories import AttemptRepository, Query, TaskQueue, TaskRepository
from app.services.agents import AgentService
from app.services.changes import differences
from app.services.conversations import ConversationService
from app.services.permissions import (
    READERS,
    READERS_AND_AGENTS,
    SYSTEM_ONLY,
    WRITERS,
    WRITERS_AND_AGENTS,
    Roles,
    allowed,
)
from app.services.reading import read_page
from app.services.resources import ResourceService

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from uuid import UUID

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from app.repositories import Page, Record, Total
    from app.repositories.base import Changes

_LOCKED_FIRST = ("agent_id", "conversation_id")  # then the parent, then the task


@dataclass(frozen=True, kw_only=True)
class TaskService(ResourceService[Task]):
    """Tasks as a resource; `TaskQueueService` works them off."""

    readers: ClassVar[Roles] = READERS_AND_AGENTS
    listers: ClassVar[Roles] = READERS
    writers: ClassVar[Roles] = WRITERS
    repository: TaskRepository = TaskRepository()
    attempts_: AttemptRepository = AttemptRepository()
    queue: TaskQueue = TaskQueue()

    @allowed(WRITERS_AND_AGENTS)
    def create(self, values: Mapping[str, Any]) -> Task:
        """As `submit`, for whom it makes no difference whether it was there before."""
        return self.submit(values)[0]

    @allowed(WRITERS_AND_AGENTS)
    @retry
    def submit(self, values: Mapping[str, Any]) -> tuple[Task, bool]:
        """A new task, or the pending or running one with its `dedupe_key`; and whether it is new.

        An agent may only break up a task that it runs, within the limits of `as_subtask`, and
        learns of nothing that it may not see.
        """
        values = {"max_attempts": self.rules.max_attempts, **due_now_or_later(values)}
        with self.database.session() as session:
            self._check_agent(session.connection(), values)
            outer = {name: values[name] for name in _LOCKED_FIRST if name in values}
            self.check_live(session.connection(), outer)
            parent = self._check_parent(session, values.get("parent_id"))
            if parent is not None and self.actor.kind is ActorKind.AGENT:
                values = self._as_subtask(session.connection(), values, parent)
            key = values.get("dedupe_key")
            if key is None:
                return self.add(session, values), True
            if (twin := self._find_twin(session, key)) is not None:
                return twin, False
            try:
                with self.database.savepoint():
                    return self.add(session, values), True
            except AlreadyExists:  # somebody was faster
                if (twin := self._find_twin(session, key)) is None:
                    raise  # and has ended it meanwhile
                return twin, False

    @allowed("readers")
    @retry
    def subtasks(
        self, key: UUID, query: Query, *, total: bool = False
    ) -> tuple[Page[Record], Total | None]:
        """An agent sees those of its own tasks: it has nothing to do with their siblings."""
        self.require_admin_for_deleted(include_deleted=query.include_deleted)
        with self.database.connect(read_only=True) as connection:
            task = self.get(key)
            if self.actor.kind is ActorKind.AGENT and self.actor.id not in (
                task["claimed_by_id"],
                task["agent_id"],
            ):
                raise Forbidden("None of the agent's tasks refers to this.")
            of = replace(query, filters={**query.filters, "parent_id": key})
            return read_page(connection, self.repository, of, total=total)

    @allowed("readers")
    @retry
    def attempts(
        self, key: UUID, query: Query, *, total: bool = False
    ) -> tuple[Page[Record], Total | None]:
        """How often it was tried, and how that ended."""
        with self.database.connect(read_only=True) as connection:
            self.get(key)
            of = replace(query, filters={**query.filters, "task_id": key})
            return read_page(connection, self.attempts_, of, total=total)

    @allowed(SYSTEM_ONLY)
    @retry
    def with_subtasks(self, key: UUID) -> Task:
        """With its sub-tasks loaded."""
        with self.database.session(read_only=True) as session:
            task = self.repository.with_subtasks(session, key)
            if task is None:
                raise NotFound("tasks", key)
            return task

    @allowed("writers")
    @retry
    def update(
        self, key: UUID, values: Mapping[str, Any], *, expected: Collection[int] | None = None
    ) -> Task:
        with self.database.session() as session:
            if "parent_id" in values:
                outer = {name: values[name] for name in _LOCKED_FIRST if name in values}
                self.check_live(session.connection(), outer)
                self._lock_parents(session, key, values["parent_id"])
            return super().update(key, values, expected=expected)

    @allowed("writers")
    @retry
    def remove(self, key: UUID, *, expected: Collection[int] | None = None) -> None:
        """A running task is not deleted under the hands of its agent: InvalidTransition."""
        with self.database.session() as session:
            self.queue.lock(session.connection(), key)  # after its parent, which counts it
            check_action("delete", self.locked(session, key).status)
            super().remove(key, expected=expected)

    @allowed("writers")
    @retry
    def cancel(self, key: UUID, *, expected: Collection[int] | None = None) -> Task:
        """With its open sub-tasks; who runs one of them learns it at the next heartbeat."""
        with self.database.session() as session:
            task = self._locked_in_order(session, key, expected)
            check_action("cancel", task.status)
            connection = session.connection()
            by_action: dict[str, dict[UUID, Changes]] = {"cancelled": {}, "cancel-requested": {}}
            for changed in self.queue.cancel(connection, key):
                running = changed["status"] == TaskStatus.RUNNING
                changes = by_action["cancel-requested" if running else "cancelled"]
                changes[changed["id"]] = differences(Task, changed["was"], changed)
            for action, of in by_action.items():
                self.record(connection, action, Task, of)
            return self.locked(session, key)

    @allowed("writers")
    @retry
    def requeue(self, key: UUID, *, expected: Collection[int] | None = None) -> Task:
        """Again from the start: all attempts so far are forgiven."""
        with self.database.session() as session:
            task = self._locked_in_order(session, key, expected)
            check_action("requeue", task.status)
            values = {
                "status": TaskStatus.PENDING,
                "run_after": datetime.now(UTC),
                "attempts_forgiven": task.attempt,
                "cancel_requested": False,
                "claimed_by_id": None,
                "completed_at": None,
                "error": None,
            }
            self.apply(session, task, values, action="requeued")
            return task

    def visible_to_agent(self, connection: Connection, keys: Collection[UUID]) -> Collection[UUID]:
        return self.repository.concerning(connection, self.agent_id, keys)

    def apply(
        self,
        session: Session,
        entity: Task,
        values: Mapping[str, Any],
        *,
        expected: Collection[int] | None = None,
        action: str = "updated",
    ) -> Changes:
        if "run_after" in values:
            values = {**values, "run_after": max(values["run_after"], entity.created_at)}
        changes = super().apply(session, entity, values, expected=expected, action=action)
        if action == "updated" and changes:
            check_action("update", entity.status)
            if "parent_id" in changes:
                self._check_depth(session.connection(), entity)
        return changes

    def _locked_in_order(
        self, session: Session, key: UUID, expected: Collection[int] | None
    ) -> Task:
        """Locked after its parent, which counts it; raises VersionMismatch."""
        self.queue.lock(session.connection(), key)
        task = self.locked(session, key)
        if expected is not None and task.version not in expected:
            raise VersionMismatch(task.version)
        return task

    def check_live(
        self,
        connection: Connection,
        values: Mapping[str, Any],
        *,
        restoring: bool = False,
    ) -> None:
        if not restoring and values.get("agent_id") is not None:
            self.beside(AgentService).check_active(connection, values["agent_id"], "agent_id")
        super().check_live(connection, values, restoring=restoring)
        self.beside(ConversationService).check_not_merged(connection, values)

    def _check_parent(self, session: Session, parent_id: UUID | None) -> Task | None:
        """The parent, locked."""
        parent = None if parent_id is None else self.repository.get(session, parent_id, lock=True)
        if self.actor.kind is ActorKind.AGENT and not self._is_run_by_actor(parent):
            raise Forbidden("An agent can create sub-tasks only of the tasks that it runs.")
        if parent is not None:
            above = self.repository.levels_above(session.connection(), parent.id)
            self._check_levels(above + 1)
        return parent

    def _as_subtask(
        self, connection: Connection, values: Mapping[str, Any], parent: Task
    ) -> dict[str, Any]:
        agent = self.beside(AgentService).repository.record(connection, self.agent_id)
        return as_subtask(
            values,
            parent_id=parent.id,
            parent_priority=parent.priority,
            queues={parent.queue, *(() if agent is None else agent["queues"])},
            max_attempts=self.rules.max_attempts,
        )

    def _lock_parents(self, session: Session, key: UUID, parent_id: UUID | None) -> None:
        """The old one and the new one, before the task: nobody else moves tasks meanwhile."""
        self.repository.lock_tree(session.connection())
        found = self.repository.get(session, key)
        parents = {parent_id, None if found is None else found.parent_id} - {None}
        self.repository.get_many(session, parents, lock=True)

    def _check_agent(self, connection: Connection, values: Mapping[str, Any]) -> None:
        """An agent's sub-task gives it no more to see: no conversation, and no task in waiting."""
        if self.actor.kind is not ActorKind.AGENT:
            return
        if values.get("agent_id") is not None:
            raise Forbidden("An agent cannot choose who gets a sub-task, only its queue.")
        if values.get("conversation_id") is not None:
            conversations = self.beside(ConversationService)
            conversations.require_visible(connection, values["conversation_id"])

    def _is_run_by_actor(self, task: Task | None) -> bool:
        return (
            task is not None
            and task.status == TaskStatus.RUNNING
            and task.claimed_by_id == self.actor.id
        )

    def _check_depth(self, connection: Connection, task: Task) -> None:
        if task.parent_id is not None:
            above = self.repository.levels_above(connection, task.parent_id)
            self._check_levels(above + self.repository.levels_below(connection, task.id))

    def _check_levels(self, levels: int) -> None:
        if levels > self.rules.max_task_depth:
            detail = f"Tasks are at most {self.rules.max_task_depth} levels deep."
            raise Invalid([Mistake(("parent_id",), "range", detail)])

    def _find_twin(self, session: Session, dedupe_key: str) -> Task | None:
        twin = self.repository.find_open(session, dedupe_key)
        if twin is not None:
            self.require_visible(session.connection(), twin.id)
        return twin
