from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from app.db import Query, retry
from app.db.errors import Contention, VersionMismatch
from app.domain.actors import ActorKind
from app.domain.subtasks import as_subtask
from app.domain.tasks import TaskStatus, check_task_action, due_now_or_later
from app.errors import AlreadyExists, Forbidden, NotFound
from app.models import Task
from app.repositories import AttemptRepository, TaskQueue, TaskRepository
from app.services.conversations import ConversationService
from app.services.kit.changes import differences
from app.services.kit.fields import NO_ROW
from app.services.kit.permissions import (
    READERS,
    READERS_AND_AGENTS,
    SYSTEM_ONLY,
    WRITERS,
    WRITERS_AND_AGENTS,
    Roles,
    allowed,
)
from app.services.kit.reading import read_page
from app.services.kit.resources import ResourceService
from app.services.task_references import TaskReferences

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from uuid import UUID

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from app.db import Page, Record, Total
    from app.db.repository.writing import Changes


@dataclass(frozen=True, kw_only=True)
class TaskService(TaskReferences, ResourceService[Task]):
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
            if self.actor.kind is ActorKind.AGENT:
                values = self._as_subtask(session, values)
            if values.get("dedupe_key") is None:
                return self.add(session, values), True
            self.check_live(session.connection(), values)  # what a savepoint locks, it lets go
            if (twin := self._find_twin(session, values)) is not None:
                return twin, False
            try:
                with self.database.savepoint():
                    return self.add(session, values), True
            except AlreadyExists:  # somebody was faster
                if (twin := self._find_twin(session, values)) is None:
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
    def remove(self, key: UUID, *, expected: Collection[int] | None = None) -> None:
        """A running task is not deleted under the hands of its agent: InvalidTransition."""
        with self.database.session() as session:
            self.queue.lock(session.connection(), key)  # after its parent, which counts it
            check_task_action("delete", self.locked(session, key).status)
            super().remove(key, expected=expected)

    @allowed("writers")
    @retry
    def cancel(self, key: UUID, *, expected: Collection[int] | None = None) -> Task:
        """With its open sub-tasks; who runs one of them learns it at the next heartbeat."""
        with self.database.session() as session:
            task = self._locked_in_order(session, key, expected)
            check_task_action("cancel", task.status)
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
        """Again from the start: all attempts so far are forgiven.

        For any agent, where the one that it was addressed to gets no work any more.
        """
        with self.database.session() as session:
            replaced, addressed_to = self._readdressed(session.connection(), key)
            task = self._locked_in_order(session, key, expected)
            check_task_action("requeue", task.status)
            if task.agent_id != addressed_to:
                raise Contention("Another unit of work changed the task.")
            values = {
                **replaced,
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
        if "parent_id" in values and entity.dedupe_scope is not None:
            values = {**values, "dedupe_scope": values["parent_id"]}
        changes = super().apply(session, entity, values, expected=expected, action=action)
        if action == "updated" and changes:
            check_task_action("update", entity.status)
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

    def _readdressed(
        self, connection: Connection, key: UUID
    ) -> tuple[Mapping[str, Any], UUID | None]:
        """What a task must give up to be pending again, and whom it is addressed to."""
        task = self.repository.record(connection, key)
        if task is None:
            raise NotFound("tasks", key)
        again = {"agent_id": task["agent_id"], "queue": task["queue"]}
        return self.check_live(connection, NO_ROW, again), task["agent_id"]

    def _as_subtask(self, session: Session, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """What an agent may create. A sub-task gives it no more to see: no conversation, and no
        task in waiting."""
        if values.get("agent_id") is not None:
            raise Forbidden("An agent cannot choose who gets a sub-task, only its queue.")
        connection = session.connection()
        if values.get("conversation_id") is not None:
            conversations = self.related(ConversationService)
            conversations.require_visible(connection, values["conversation_id"])
        self._check_references(connection, values, NO_ROW, "conversation_id")
        parent = self._locked_own(session, values.get("parent_id"))
        return as_subtask(
            values,
            parent_id=parent.id,
            parent_priority=parent.priority,
            max_attempts=self.rules.max_attempts,
        )

    def _locked_own(self, session: Session, key: UUID | None) -> Task:
        """The task that the acting agent runs, locked after the tree of tasks."""
        self.repository.lock_tree(session.connection(), shared=True)
        task = None if key is None else self.repository.get(session, key, lock=True)
        if task is None or task.status != TaskStatus.RUNNING or task.claimed_by_id != self.actor.id:
            raise Forbidden("An agent can create sub-tasks only of the tasks that it runs.")
        return task

    def _find_twin(self, session: Session, values: Mapping[str, Any]) -> Task | None:
        key, scope = values["dedupe_key"], values.get("dedupe_scope")
        twin = self.repository.find_open(session, key, scope)
        if twin is not None:
            self.require_visible(session.connection(), twin.id)
        return twin
