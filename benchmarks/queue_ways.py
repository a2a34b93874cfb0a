"""Claiming and completing tasks, in several ways: each call with a transaction of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import psycopg2
import psycopg2.extras
from procrastinate import SyncPsycopgConnector
from procrastinate.contrib.psycopg2 import Psycopg2Connector
from procrastinate.jobs import Status
from procrastinate.manager import JobManager
from uuid_utils.compat import uuid4

from app.db import Database
from app.domain.actors import Actor, ActorKind, Role
from app.repositories import TaskQueue
from app.services import TaskLeaseService, TaskQueueService
from benchmarks.queue_tables import AGENT, QUEUE

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from sqlalchemy import Connection

T = TypeVar("T")

OUTPUT = {"answer": "The second payment was sent back on the same day.", "ok": True}
LEASE = 60


class Way(Protocol):
    name: str
    table: str

    def __init__(self, urls: Mapping[str, str]) -> None: ...
    def backend(self) -> int: ...
    def claim(self, limit: int) -> list[Any]: ...
    def complete(self, task: Any) -> None: ...
    def close(self) -> None: ...


class Repository:
    name = "caseload, repository"
    table = "caseload"

    def __init__(self, urls: Mapping[str, str]) -> None:
        self.database, self.queue = Database(urls[self.table]), TaskQueue()

    def backend(self) -> int:
        with self.database.connect() as connection:
            return _backend(connection)

    def claim(self, limit: int) -> list[Any]:
        with self.database.connect() as connection:
            return self.queue.claim(connection, AGENT, [QUEUE], limit=limit, lease_seconds=LEASE)

    def complete(self, task: Any) -> None:
        with self.database.connect() as connection:
            assert self.queue.complete(connection, task["id"], task["lease_token"], OUTPUT)

    def close(self) -> None:
        self.database.dispose()


class Service(Repository):
    name = "caseload, service"

    def __init__(self, urls: Mapping[str, str]) -> None:
        super().__init__(urls)
        actor = Actor(ActorKind.AGENT, AGENT, "Bench", Role.AGENT)
        self.service = TaskQueueService(database=self.database, actor=actor)
        self.leases = self.service.related(TaskLeaseService)

    def claim(self, limit: int) -> list[Any]:
        return self.service.claim(limit=limit, lease_seconds=LEASE)

    def complete(self, task: Any) -> None:
        self.leases.complete(task["id"], str(task["lease_token"]), OUTPUT)


class ByHand:
    """psycopg2 and SKIP LOCKED."""

    name = "by hand"
    table = "by_hand"

    _claim = """
        UPDATE tasks SET status = 'running', attempt = attempt + 1, version = version + 1,
            claimed_by_id = %(agent)s, lease_token = %(token)s, lease_seconds = %(lease)s,
            lease_expires_at = now() + make_interval(secs => %(lease)s),
            started_at = now(), updated_at = now()
        WHERE id IN (
            SELECT id FROM tasks
            WHERE queue = %(queue)s AND status = 'pending' AND run_after <= now()
                AND deleted_at IS NULL
            ORDER BY priority, run_after, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
        ) RETURNING *"""
    _complete = """
        UPDATE tasks SET status = 'completed', version = version + 1, output = %(output)s,
            error = NULL, lease_token = NULL, lease_seconds = NULL, lease_expires_at = NULL,
            completed_at = now(), updated_at = now()
        WHERE id = %(id)s AND lease_token = %(token)s RETURNING *"""

    def __init__(self, urls: Mapping[str, str]) -> None:
        self.connection = psycopg2.connect(urls[self.table])
        psycopg2.extras.register_uuid(None, self.connection)  # type: ignore[no-untyped-call] # psycopg2's

    def backend(self) -> int:
        return self.connection.info.backend_pid

    def claim(self, limit: int) -> list[Any]:
        bound = {"agent": AGENT, "token": uuid4(), "lease": LEASE, "queue": QUEUE, "limit": limit}
        return self._run(self._claim, bound)

    def complete(self, task: Any) -> None:
        bound = {"id": task["id"], "token": task["lease_token"], "output": json.dumps(OUTPUT)}
        [_] = self._run(self._complete, bound)

    def close(self) -> None:
        self.connection.close()

    def _run(self, sql: str, bound: dict[str, Any]) -> list[dict[str, Any]]:
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(sql, bound)
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, values, strict=True)) for values in cursor]


class ByHandWithAttempts(ByHand):
    name = "by hand, attempts"

    _claim = f"""
        WITH claimed AS ({ByHand._claim}), begun AS (
            INSERT INTO task_attempts (task_id, number, agent_id, started_at)
            SELECT id, attempt, claimed_by_id, started_at FROM claimed
        ) SELECT * FROM claimed"""  # noqa: SLF001 - its base's
    _complete = f"""
        WITH done AS ({ByHand._complete}), ended AS (
            UPDATE task_attempts SET outcome = 'completed', ended_at = now()
            FROM done WHERE task_id = done.id AND number = done.attempt
        ) SELECT * FROM done"""  # noqa: SLF001 - same


class _AtOnce:
    """procrastinate's worker is async only: this runs its job manager on a sync connector."""

    async def execute_query_async(self: Any, query: Any, **arguments: Any) -> None:
        self.execute_query(query, **arguments)

    async def execute_query_one_async(self: Any, query: Any, **arguments: Any) -> Any:
        return self.execute_query_one(query, **arguments)


class _Psycopg2(_AtOnce, Psycopg2Connector):
    pass


class _Psycopg3(_AtOnce, SyncPsycopgConnector):
    pass


class Procrastinate:
    """Its worker takes one job at a time, whatever the limit."""

    name = "procrastinate"
    table = "procrastinate"

    def __init__(self, urls: Mapping[str, str]) -> None:
        self.connector = self._connector(urls[self.table])
        self.connector.open()
        self.jobs = JobManager(self.connector)
        self.worker = _result(self.jobs.register_worker())

    def _connector(self, url: str) -> Any:
        return _Psycopg2(dsn=url, maxconn=1)

    def backend(self) -> int:
        found = self.connector.execute_query_one(query="SELECT pg_backend_pid() AS pid")
        return int(found["pid"])

    def claim(self, limit: int) -> list[Any]:
        job = _result(self.jobs.fetch_job([QUEUE], self.worker))
        return [] if job is None else [job]

    def complete(self, task: Any) -> None:
        _result(self.jobs.finish_job(task, Status.SUCCEEDED, delete_job=False))

    def close(self) -> None:
        self.connector.close()


class ProcrastinateOnPsycopg3(Procrastinate):
    name = "procrastinate, psycopg 3"

    def _connector(self, url: str) -> Any:
        return _Psycopg3(conninfo=url, min_size=1, max_size=1)


def _result(coroutine: Coroutine[Any, Any, T]) -> T:
    """Of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise RuntimeError("It waits.")


def _backend(connection: Connection) -> int:
    pid: int = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    return pid


WAYS: list[type[Way]] = [
    Repository,
    Service,
    ByHandWithAttempts,
    ByHand,
    Procrastinate,
    ProcrastinateOnPsycopg3,
]
