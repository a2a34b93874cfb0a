from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from app.db import retry
from app.domain.actors import ActorKind
from app.domain.tasks import TaskStatus, check_action
from app.errors import AlreadyExists, Forbidden, Invalid, Mistake, NotFound
from app.models import Task
from app.repositories import AttemptRepository, Query, TaskRepository
from app.services.base import ResourceService, read_page

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from uuid import UUID

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from app.repositories import Page, Record, Total
    from app.repositories.base import Changes


@dataclass(frozen=True, kw_only=True)
class TaskService(ResourceService[Task]):
    """Tasks as a resource; `TaskQueueService` works them off."""

    repository: TaskRepository = TaskRepository()
    attempts_: AttemptRepository = AttemptRepository()

    def create(self, values: Mapping[str, Any]) -> Task:
        """As `submit`, for whom it makes no difference whether it was there before."""
        return self.submit(values)[0]

    @retry
    def submit(self, values: Mapping[str, Any]) -> tuple[Task, bool]:
        """A new task, or the pending or running one with its `dedupe_key`; and whether it is new.

        An agent may only break up a task that it runs.
        """
        values = {"max_attempts": self.rules.max_attempts, **values}
        key = values.get("dedupe_key")
        with self.database.session() as session:
            self._check_parent(session, values.get("parent_id"))
            if key is None:
                return super().create(values), True
            if (twin := self.repository.find_open(session, key)) is not None:
                return twin, False
            try:
                with self.database.savepoint():
                    return super().create(values), True
            except AlreadyExists:  # somebody was faster
                return self._twin(session, key), False

    @retry
    def subtasks(
        self, key: UUID, query: Query, *, total: bool = False
    ) -> tuple[Page[Record], Total | None]:
        self.get(key)
        of = replace(query, filters={**query.filters, "parent_id": key})
        return read_page(self.database, self.repository, of, total=total)

    @retry
    def attempts(
        self, key: UUID, query: Query, *, total: bool = False
    ) -> tuple[Page[Record], Total | None]:
        """How often it was tried, and how that ended."""
        self.get(key)
        of = replace(query, filters={**query.filters, "task_id": key})
        return read_page(self.database, self.attempts_, of, total=total)

    @retry
    def with_subtasks(self, key: UUID) -> Task:
        """With its sub-tasks loaded."""
        with self.database.session(read_only=True) as session:
            task = self.repository.with_subtasks(session, key)
            if task is None:
                raise NotFound("tasks", key)
            return task

    @retry
    def remove(self, key: UUID, *, expected: Collection[int] | None = None) -> None:
        """A running task is not deleted under the hands of its agent: InvalidTransition."""
        with self.database.session() as session:
            check_action("delete", self.locked(session, key).status)
            super().remove(key, expected=expected)

    def is_visible_to_agent(self, connection: Connection, key: UUID) -> bool:
        return self.repository.concerns(connection, self.agent_id, key)

    def apply(
        self,
        session: Session,
        entity: Task,
        values: Mapping[str, Any],
        *,
        expected: Collection[int] | None = None,
        action: str = "updated",
    ) -> Changes:
        changes = super().apply(session, entity, values, expected=expected, action=action)
        if action == "updated" and changes:
            check_action("update", entity.status)
            if "parent_id" in changes:
                self._check_depth(session.connection(), entity)
        return changes

    def _check_parent(self, session: Session, parent_id: UUID | None) -> None:
        parent = None if parent_id is None else self.repository.get(session, parent_id, lock=True)
        if self.actor.kind is ActorKind.AGENT and not self._is_run_by_actor(parent):
            raise Forbidden("An agent makes sub-tasks of the tasks that it runs, and no others.")
        if parent is not None:
            above = self.repository.levels_above(session.connection(), parent.id)
            self._check_levels(above + 1)

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

    def _twin(self, session: Session, key: str) -> Task:
        twin = self.repository.find_open(session, key)
        if twin is None:  # it has ended meanwhile
            raise AlreadyExists("tasks", ("dedupe_key",))
        return twin
