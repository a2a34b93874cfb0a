from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from app.db import Query, retry
from app.db.errors import Contention, VersionMismatch
from app.domain.actors import ActorKind
from app.domain.subtasks import as_subtask
from app.domain.tasks import TaskStatus, check_task_action
from app.errors import AlreadyExists, Forbidden, NotFound
from app.models import Task
from app.repositories import AttemptRepository, TaskQueue, TaskRepository
from app.services.conversations import ConversationService
from app.services.kit.changes import differences
from app.services.kit.creates import Adds
from app.services.kit.deletes import Deletes, Restores
from app.services.kit.fields import NO_ROW, fields_of
from app.services.kit.permissions import (
    READERS,
    READERS_AND_AGENTS,
    SYSTEM_ONLY,
    WRITERS,
    WRITERS_AND_AGENTS,
    Roles,
    allowed,
)
from app.services.kit.reads import Reads, read_page
from app.services.kit.updates import Updates
from app.services.task_references import TaskReferences

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from app.db import Page, Record, Total
    from app.db.repository.writing import Changes
    from app.domain.tasks import NewTask
    from app.services.kit.fields import Fields


@dataclass(frozen=True, kw_only=True)
class TaskService(
    TaskReferences, Reads[Task], Adds[Task], Updates[Task], Deletes[Task], Restores[Task]
):
    """Tasks as a resource; `TaskQueueService` claims them, `TaskLeaseService` ends them."""

    readers: ClassVar[Roles] = READERS_AND_AGENTS
    listers: ClassVar[Roles] = READERS
    writers: ClassVar[Roles] = WRITERS
    repository: TaskRepository = TaskRepository()
    attempt_repository: AttemptRepository = AttemptRepository()
    queue: TaskQueue = TaskQueue()

    @allowed(WRITERS_AND_AGENTS)
    @retry
    def submit(self, new: NewTask) -> tuple[Task, bool]:
        """A new task, or the pending or running one with its `dedupe_key`; and whether it is new.

        An agent may only break up a task that it runs, within the limits of `as_subtask`, and
        learns of nothing that it may not see.
        """
        new = new.with_defaults(max_attempts=self.rules.max_attempts)
        with self.database.connect() as connection:
            if self.actor.kind is ActorKind.AGENT:
                with self.database.session() as session:
                    new = self._as_subtask(session, new)
            if new.dedupe_key is None:
                return self.insert(connection, fields_of(new)), True
            return self._submit_once(new)

    def _submit_once(self, new: NewTask) -> tuple[Task, bool]:
        values = fields_of(new)
        with self.database.session() as session:
            # Before the savepoint, whose rollback would release these locks.
            self.check_live(session.connection(), values)
            if (twin := self._find_twin(session, new)) is not None:
                return twin, False
            try:
                with self.database.savepoint():
                    return self.add(session, values), True
            except AlreadyExists:  # another unit of work has created it at the same moment
                if (twin := self._find_twin(session, new)) is None:
                    raise  # and it has ended meanwhile
                return twin, False

    @allowed("readers")
    @retry
    def subtasks(
        self, key: UUID, query: Query, *, total: bool = False
    ) -> tuple[Page[Record], Total | None]:
        """A page of its sub-tasks; an agent may list those of its own tasks alone."""
        self.require_admin_for_deleted(include_deleted=query.include_deleted)
        with self.database.connect(read_only=True) as connection:
            task = self.get(key)
            its_agents = (task["claimed_by_id"], task["agent_id"])
            if self.actor.kind is ActorKind.AGENT and self.actor.id not in its_agents:
                raise Forbidden("None of the agent's tasks refers to this.")
            of = replace(query, filters={**query.filters, "parent_id": key})
            return read_page(connection, self.repository, of, total=total)

    @allowed("readers")
    @retry
    def attempts(
        self, key: UUID, query: Query, *, total: bool = False
    ) -> tuple[Page[Record], Total | None]:
        """A page of its attempts, each with its outcome."""
        with self.database.connect(read_only=True) as connection:
            self.get(key)
            of = replace(query, filters={**query.filters, "task_id": key})
            return read_page(connection, self.attempt_repository, of, total=total)

    @allowed(SYSTEM_ONLY)
    @retry
    def with_subtasks(self, key: UUID) -> Task:
        """The task with its sub-tasks loaded."""
        with self.database.session(read_only=True) as session:
            task = self.repository.with_subtasks(session, key)
            if task is None:
                raise NotFound("tasks", key)
            return task

    @allowed("writers")
    @retry
    def remove(self, key: UUID, *, expected: Collection[int] | None = None) -> None:
        """Raises InvalidTransition for a running task: its agent still works on it."""
        with self.database.session() as session:
            self.queue.lock(session.connection(), key)  # after its parent, which counts it
            check_task_action("delete", self.locked(session, key).status)
            super().remove(key, expected=expected)

    @allowed("writers")
    @retry
    def cancel(self, key: UUID, *, expected: Collection[int] | None = None) -> Task:
        """Cancel it with its open sub-tasks; the agent of a running one learns it at its next
        heartbeat. Raises InvalidTransition, VersionMismatch."""
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
        """Make an ended task pending again; its attempts so far no longer count.

        It is for any agent where the one that it was addressed to gets no work any more.
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
        values: Fields,
        *,
        expected: Collection[int] | None = None,
        action: str = "updated",
    ) -> Changes:
        if isinstance(run_after := values.get("run_after"), datetime):
            values = {**values, "run_after": max(run_after, entity.created_at)}
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

    def _readdressed(self, connection: Connection, key: UUID) -> tuple[Fields, UUID | None]:
        """The fields to replace so that the task can be pending again, and its agent until now."""
        task = self.repository.record(connection, key)
        if task is None:
            raise NotFound("tasks", key)
        again = {"agent_id": task["agent_id"], "queue": task["queue"]}
        return self.check_live(connection, NO_ROW, again), task["agent_id"]

    def _as_subtask(self, session: Session, new: NewTask) -> NewTask:
        """An agent's new sub-task. It shows the agent nothing more: no conversation that is hidden
        from it, and no task that is still to be claimed."""
        if new.agent_id is not None:
            raise Forbidden("An agent cannot choose who gets a sub-task, only its queue.")
        connection = session.connection()
        if new.conversation_id is not None:
            conversations = self.related(ConversationService)
            conversations.require_visible(connection, new.conversation_id)
        self._check_references(connection, fields_of(new), NO_ROW, "conversation_id")
        parent = self._locked_own(session, new.parent_id)
        return as_subtask(
            new,
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

    def _find_twin(self, session: Session, new: NewTask) -> Task | None:
        """The pending or running task with its `dedupe_key`."""
        key, scope = new.dedupe_key, new.dedupe_scope
        twin = None if key is None else self.repository.find_open(session, key, scope)
        if twin is not None:
            self.require_visible(session.connection(), twin.id)
        return twin
