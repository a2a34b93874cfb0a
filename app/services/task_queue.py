"""Working tasks off: claimed under a lease, and ended by whoever holds it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from app.db import retry
from app.db.errors import Invalid, Mistake, VersionMismatch
from app.db.listing import parse_uuid
from app.domain.actors import ActorKind
from app.domain.agents import AgentKind
from app.domain.tasks import LeaseLost, Outcome, TaskStatus, after_failure
from app.errors import Forbidden, NotFound
from app.models import Task
from app.repositories import AgentRepository, TaskQueue, TaskRepository
from app.repositories.task_claims import ENDING, RUNNABLE
from app.services.kit.base import Service
from app.services.kit.changes import differences
from app.services.kit.json_limits import check_json
from app.services.kit.permissions import SYSTEM_ONLY, WRITERS_AND_AGENTS, allowed
from app.services.tasks import TaskService

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from uuid import UUID

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from app.db import Record
    from app.db.repository.writing import Changes

_SEEN_IS_RECORDED_EVERY = timedelta(minutes=1)
_RESCUED_AT_ONCE = 1000
_ENDED_AT_ONCE = 100


@dataclass(frozen=True, kw_only=True)
class TaskQueueService(Service):
    queue: TaskQueue = TaskQueue()
    tasks: TaskRepository = TaskRepository()
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
        """Up to `limit` tasks, each with the `lease_token` under which it now runs.

        A program holds them for `lease_seconds`, a person until they give them back.
        """
        with self.database.connect() as connection:
            agent = self._claimer(connection)
            wanted = self._queues(agent, queues)
            lease = self._lease(agent, lease_seconds)
            take = partial(
                self.queue.claim,
                connection,
                agent["id"],
                wanted,
                lease_seconds=lease,
                most_bytes=self._budget(limit),
            )
            taken = take(limit=limit) if wanted else []
            if len(taken) == limit and (ended := limit - len(_running(taken))):
                # The limit was met by tasks that only end. There may be thousands more of them:
                # end one batch, and pass over the others instead of taking them one by one.
                taken += take(limit=_ENDED_AT_ONCE, which=ENDING)
                taken += take(limit=ended, which=RUNNABLE)
            self._record_each(connection, taken)
            self._note_seen(agent)
            return _running(taken)

    @allowed(WRITERS_AND_AGENTS)
    @retry
    def heartbeat(
        self,
        key: UUID,
        token: str,
        *,
        progress: Any = None,
        expected: Collection[int] | None = None,
    ) -> Record:
        """Renew the lease: its `lease_expires_at`, and whether there is a `cancel_requested`."""
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
        self, key: UUID, token: str, output: Any, *, expected: Collection[int] | None = None
    ) -> Record:
        """Raises LeaseLost, OpenSubtasks."""
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
        """It is tried again after a while, unless `retry` says no or it was the last attempt."""
        with self.database.session() as session:
            held = self._held(session.connection(), key, token, expected)
            attempts = held["attempt"] - held["attempts_forgiven"]
            status = after_failure(
                retry=retry,
                cancel_requested=held["cancel_requested"],
                attempts=attempts,
                max_attempts=held["max_attempts"],
            )
            values: dict[str, Any] = {"error": error}
            if status is TaskStatus.PENDING:
                delay = self.rules.retry_delay.after(attempts)
                values["run_after"] = datetime.now(UTC) + delay
            return self._give_back(session, held, status, Outcome.FAILED, values)

    @allowed(WRITERS_AND_AGENTS)
    @retry
    def release(self, key: UUID, token: str, *, expected: Collection[int] | None = None) -> Task:
        """Back into the queue, as if it had not been claimed."""
        with self.database.session() as session:
            held = self._held(session.connection(), key, token, expected)
            status = TaskStatus.CANCELLED if held["cancel_requested"] else TaskStatus.PENDING
            values = {"attempts_forgiven": held["attempts_forgiven"] + 1}
            return self._give_back(session, held, status, Outcome.RELEASED, values)

    @allowed(SYSTEM_ONLY)
    @retry
    def rescue(self) -> int:
        """Give back up to a thousand tasks whose lease ran out; returns how many.

        A claim does so by itself for the queues it looks into.
        """
        with self.database.connect() as connection:
            rescued = self.queue.rescue(connection, limit=_RESCUED_AT_ONCE)
            self._record_each(connection, rescued)
            return len(rescued)

    @allowed(SYSTEM_ONLY)
    @retry
    def stats(self) -> list[Record]:
        """By queue and status."""
        with self.database.connect(read_only=True) as connection:
            return self.queue.stats(connection)

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
        """The bytes of what is claimed; None where so few tasks cannot have too many."""
        largest = self.rules.task_data_limit.bytes + self.rules.json_limit.bytes
        return None if limit * largest <= self.rules.answer_bytes else self.rules.answer_bytes

    def _note_seen(self, agent: Record) -> None:
        """After the commit, and about once a minute: the row is locked by all who claim."""
        seen = agent["last_seen_at"]
        if seen is None or datetime.now(UTC) - seen > _SEEN_IS_RECORDED_EVERY:
            self.database.after_commit(lambda: self._touch(agent["id"]))

    def _touch(self, agent_id: UUID) -> None:
        with self.database.connect() as connection:
            self.agents.touch(connection, agent_id)

    def _record_each(self, connection: Connection, tasks: Sequence[Record]) -> None:
        """What became of tasks that were claimed or given back, one event each."""
        by_action: dict[str, dict[UUID, Changes]] = defaultdict(dict)
        versions = {task["id"]: task["version"] for task in tasks}
        for task in tasks:
            action = _ACTIONS[task["was"]["status"], task["status"]]
            by_action[action][task["id"]] = differences(Task, task["was"], task)
        for action, changes in by_action.items():
            self.record(connection, action, Task, changes, versions=versions)

    def _held(
        self, connection: Connection, key: UUID, token: str, expected: Collection[int] | None
    ) -> Record:
        """The running task, locked; raises LeaseLost, VersionMismatch."""
        task = self.queue.lock(connection, key)
        if task is None:
            raise NotFound("tasks", key)
        if task["lease_token"] is None or task["lease_token"] != _parse(token):
            raise LeaseLost
        self._check_holder(task)
        if expected is not None and task["version"] not in expected:
            raise VersionMismatch(task["version"])
        return task

    def _check_holder(self, task: Record) -> None:
        """An agent ends only what it claimed itself, whatever lease tokens it may have found."""
        if self.actor.kind is ActorKind.AGENT and task["claimed_by_id"] != self.actor.id:
            raise LeaseLost

    def _give_back(
        self,
        session: Session,
        held: Record,
        status: TaskStatus,
        outcome: Outcome,
        values: dict[str, Any],
    ) -> Task:
        ended = status is not TaskStatus.PENDING
        cancelled = status is TaskStatus.CANCELLED
        values |= {
            "status": status,
            "lease_token": None,
            "lease_seconds": None,
            "lease_expires_at": None,
            "completed_at": datetime.now(UTC) if ended else None,
            "claimed_by_id": held["claimed_by_id"] if ended else None,
        }
        outcome = Outcome.CANCELLED if cancelled else outcome
        self.queue.end_attempt(session.connection(), held, outcome, values.get("error"))
        tasks = self.related(TaskService)
        task = tasks.locked(session, held["id"])
        action = "retried" if outcome is Outcome.FAILED and not ended else outcome
        tasks.apply(session, task, values, action=action)
        return task

    def _refuse(self, connection: Connection, key: UUID) -> NoReturn:
        if self.tasks.exists(connection, key):
            raise LeaseLost
        raise NotFound("tasks", key)


_ACTIONS = {
    (TaskStatus.PENDING, TaskStatus.RUNNING): "claimed",
    (TaskStatus.RUNNING, TaskStatus.RUNNING): "taken-over",
    (TaskStatus.RUNNING, TaskStatus.PENDING): "lease-lost",
    (TaskStatus.RUNNING, TaskStatus.FAILED): "failed",
    (TaskStatus.RUNNING, TaskStatus.CANCELLED): "cancelled",
}


def _running(tasks: Sequence[Record]) -> list[Record]:
    return [task for task in tasks if task["status"] == TaskStatus.RUNNING]


def _parse(token: str) -> UUID | None:
    """None, under which no task runs, where it can't be a token."""
    try:
        return parse_uuid(token)
    except ValueError:
        return None
