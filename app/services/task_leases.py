"""Renews and ends the lease of a running task: by whoever claimed it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

from app.db import retry
from app.db.errors import VersionMismatch
from app.db.listing import parse_uuid
from app.domain.actors import ActorKind
from app.domain.tasks import LeaseLost, Outcome, TaskStatus, after_failure
from app.errors import NotFound
from app.models import Task
from app.repositories import TaskQueue, TaskRepository
from app.services.kit.base import Service
from app.services.kit.changes import differences
from app.services.kit.json_limits import check_json
from app.services.kit.permissions import WRITERS_AND_AGENTS, allowed
from app.services.tasks import TaskService

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from uuid import UUID

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from app.db import Record
    from app.repositories.task_queue import Renewal
    from app.services.kit.fields import Fields


@dataclass(frozen=True, kw_only=True)
class TaskLeaseService(Service):
    """Each method takes the lease token of the claim: LeaseLost for any other."""

    queue: TaskQueue = TaskQueue()
    tasks: TaskRepository = TaskRepository()

    @allowed(WRITERS_AND_AGENTS)
    @retry
    def heartbeat(
        self,
        key: UUID,
        token: str,
        *,
        progress: object = None,
        expected: Collection[int] | None = None,
    ) -> Renewal:
        """Renew the lease; returns its `lease_expires_at`, and whether `cancel_requested` is set.

        `progress` is any JSON value. Raises LeaseLost, NotFound, VersionMismatch.
        """
        check_json(self.rules, Task, {"progress": progress})
        with self.database.connect() as connection:
            if expected is not None:
                self._held(connection, key, token, expected)
            renewed = self.queue.heartbeat(connection, key, _parse(token), progress)
            if renewed is None:
                self._refuse(connection, key)
            self._check_holder(renewed)
            return renewed

    @allowed(WRITERS_AND_AGENTS)
    @retry
    def complete(
        self, key: UUID, token: str, output: object, *, expected: Collection[int] | None = None
    ) -> Record:
        """Complete the task; `output` is any JSON value. Raises LeaseLost, OpenSubtasks."""
        check_json(self.rules, Task, {"output": output})
        with self.database.connect() as connection:
            if expected is not None:
                self._held(connection, key, token, expected)
            done = self.queue.complete(connection, key, _parse(token), output)
            if done is None:
                self._refuse(connection, key)
            self._check_holder(done)
            before = {"status": TaskStatus.RUNNING, "output": None, "completed_at": None}
            changes = {key: differences(Task, before, done)}
            versions = {key: done["version"]}
            self.record(connection, "completed", Task, changes, versions=versions)
            return done

    @allowed(WRITERS_AND_AGENTS)
    @retry
    def fail(
        self,
        key: UUID,
        token: str,
        error: str,
        *,
        retry: bool = True,
        expected: Collection[int] | None = None,
    ) -> Task:
        """Fail the attempt. The task is retried later, unless `retry` is False or none is left."""
        with self.database.session() as session:
            held = self._held(session.connection(), key, token, expected)
            attempts = held["attempt"] - held["attempts_forgiven"]
            status = after_failure(
                retry=retry,
                cancel_requested=held["cancel_requested"],
                attempts=attempts,
                max_attempts=held["max_attempts"],
            )
            values: dict[str, object] = {"error": error}
            if status is TaskStatus.PENDING:
                delay = self.rules.retry_delay.after(attempts)
                values["run_after"] = datetime.now(UTC) + delay
            return self._give_back(session, held, status, Outcome.FAILED, values, error=error)

    @allowed(WRITERS_AND_AGENTS)
    @retry
    def release(self, key: UUID, token: str, *, expected: Collection[int] | None = None) -> Task:
        """Give the task back to its queue; the attempt does not count."""
        with self.database.session() as session:
            held = self._held(session.connection(), key, token, expected)
            status = TaskStatus.CANCELLED if held["cancel_requested"] else TaskStatus.PENDING
            values = {"attempts_forgiven": held["attempts_forgiven"] + 1}
            return self._give_back(session, held, status, Outcome.RELEASED, values)

    def _held(
        self, connection: Connection, key: UUID, token: str, expected: Collection[int] | None
    ) -> Record:
        """The running task, locked; raises NotFound, LeaseLost, VersionMismatch."""
        task = self.queue.lock(connection, key)
        if task is None:
            raise NotFound("tasks", key)
        if task["lease_token"] is None or task["lease_token"] != _parse(token):
            raise LeaseLost
        self._check_holder(task)
        if expected is not None and task["version"] not in expected:
            raise VersionMismatch(task["version"])
        return task

    def _check_holder(self, task: Mapping[str, object]) -> None:
        """Raises LeaseLost where another agent claimed the task: its token alone is not enough."""
        if self.actor.kind is ActorKind.AGENT and task["claimed_by_id"] != self.actor.id:
            raise LeaseLost

    def _give_back(
        self,
        session: Session,
        held: Record,
        status: TaskStatus,
        outcome: Outcome,
        values: Fields,
        *,
        error: str | None = None,
    ) -> Task:
        """End the attempt with this outcome; the task gets this status and these values."""
        ended = status is not TaskStatus.PENDING
        cancelled = status is TaskStatus.CANCELLED
        values = {
            **values,
            "status": status,
            "lease_token": None,
            "lease_seconds": None,
            "lease_expires_at": None,
            "completed_at": datetime.now(UTC) if ended else None,
            "claimed_by_id": held["claimed_by_id"] if ended else None,
        }
        outcome = Outcome.CANCELLED if cancelled else outcome
        self.queue.end_attempt(session.connection(), held, outcome, error)
        tasks = self.related(TaskService)
        task = tasks.locked(session, held["id"])
        action = "retried" if outcome is Outcome.FAILED and not ended else outcome
        tasks.apply(session, task, values, action=action)
        return task

    def _refuse(self, connection: Connection, key: UUID) -> NoReturn:
        if self.tasks.exists(connection, key):
            raise LeaseLost
        raise NotFound("tasks", key)


def _parse(token: str) -> UUID | None:
    """None, under which no task runs, where it can't be a token."""
    try:
        return parse_uuid(token)
    except ValueError:
        return None
