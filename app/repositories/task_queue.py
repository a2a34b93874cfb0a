"""Tasks as a queue, in named SQL: claimed, held under a lease, and ended.

The order of locks is agent, parent, task: whoever ends a task holds its parent first, since a
trigger counts the parent's open sub-tasks.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, bindparam, column, func, select, text, update

from app.domain.tasks import TaskStatus
from app.models import Task, TaskAttempt

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Connection, CursorResult, TextualSelect

    from app.repositories.reading import Record

_TASKS, _ATTEMPTS = Task.__table__, TaskAttempt.__table__
_KEPT = [c for c in _TASKS.c if c.key not in ("lane", "available_at", "open_subtasks")]
_COLUMNS = ", ".join(f"tasks.{c.name} AS {c.key}" for c in _KEPT)

# What the index ix_tasks_claim holds, in its own words.
_OPEN = "status IN ('pending', 'running') AND deleted_at IS NULL"

# One lane of one priority, read off the index alone, the longest waiting first.
_LANE = """
(SELECT id, available_at FROM tasks
 WHERE lane = :lane_{number} AND priority = level.priority
   AND available_at <= statement_timestamp() AND {open}
 ORDER BY available_at, id)"""

# Rows are taken one by one in the order of the lanes, merged, and no further than the limit: none
# is locked that is not taken. The laterals see to it that PostgreSQL can't read them in another
# order. What is taken as running had a lease that ran out: its attempt was lost, and where it
# was to be cancelled or has no attempt left, it ends here.
_CLAIM = """
WITH taken AS (
    SELECT held.*
    FROM generate_series(0, 9) AS level (priority)
    CROSS JOIN LATERAL (
        SELECT id FROM ({lanes}) AS lanes ORDER BY available_at, id
    ) AS due
    CROSS JOIN LATERAL (
        SELECT id, attempt, {before},
            CASE WHEN status = 'pending' THEN 'running'
                 WHEN cancel_requested THEN 'cancelled'
                 WHEN attempt - attempts_forgiven >= max_attempts THEN 'failed'
                 ELSE 'running' END AS becomes
        FROM tasks
        WHERE tasks.id = due.id AND available_at <= statement_timestamp() AND {open}
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS held
    LIMIT :limit
), claimed AS (
    UPDATE tasks SET
        status = becomes,
        attempt = tasks.attempt + (becomes = 'running')::int,
        claimed_by_id = CASE becomes WHEN 'running' THEN :agent ELSE tasks.claimed_by_id END,
        lease_token = CASE becomes WHEN 'running' THEN gen_random_uuid() END,
        lease_seconds = CASE becomes WHEN 'running' THEN CAST(:lease AS int) END,
        lease_expires_at = CASE becomes WHEN 'running'
            THEN statement_timestamp() + make_interval(secs => CAST(:lease AS int)) END,
        started_at = CASE becomes WHEN 'running'
            THEN statement_timestamp() ELSE tasks.started_at END,
        completed_at = CASE WHEN becomes <> 'running' THEN statement_timestamp() END,
        error = CASE becomes WHEN 'failed' THEN 'The lease ran out.' END,
        progress = NULL
    FROM taken WHERE tasks.id = taken.id
    RETURNING {columns}, {was}
), begun AS (
    INSERT INTO task_attempts (task_id, number, agent_id, started_at)
    SELECT id, attempt, claimed_by_id, started_at FROM claimed WHERE status = 'running'
)
SELECT * FROM claimed ORDER BY priority, run_after, id
"""

_PARENT_FIRST = """
parent AS MATERIALIZED (
    SELECT parent.id FROM tasks AS child JOIN tasks AS parent ON parent.id = child.parent_id
    WHERE child.id = :key FOR NO KEY UPDATE OF parent
)"""
_PARENT_IS_LOCKED = "(SELECT count(*) FROM parent) >= 0"

_COMPLETE = """
WITH {before_all}done AS (
    UPDATE tasks SET status = 'completed', output = :output, completed_at = statement_timestamp(),
        lease_token = NULL, lease_seconds = NULL, lease_expires_at = NULL
    WHERE id = :key AND lease_token = :token AND deleted_at IS NULL AND {parent}
    RETURNING {columns}
), ended AS (
    UPDATE task_attempts SET outcome = 'completed', ended_at = statement_timestamp()
    FROM done WHERE task_id = done.id AND number = done.attempt
)
SELECT * FROM done
"""

_LOST = """
UPDATE task_attempts
SET outcome = 'lost', ended_at = statement_timestamp(), error = 'The lease ran out.'
FROM unnest(CAST(:tasks AS uuid[]), CAST(:numbers AS int[])) AS lost (task, attempt)
WHERE task_id = lost.task AND number = lost.attempt
"""

_LOCK = """
WITH {before_all}
SELECT {columns} FROM tasks WHERE id = :key AND deleted_at IS NULL AND {parent}
FOR NO KEY UPDATE
"""

# Running tasks that are given back, by whoever holds them or because the lease ran out.
_GIVE_BACK = """
WITH held AS (
    SELECT id, attempt, {before},
        CASE WHEN cancel_requested THEN 'cancelled'
             WHEN {spent} THEN 'failed'
             ELSE 'pending' END AS becomes
    FROM tasks WHERE status = 'running' AND deleted_at IS NULL AND {which}
    FOR NO KEY UPDATE {skip}
), ended AS (
    UPDATE task_attempts
    SET outcome = {outcome}, ended_at = statement_timestamp(), error = :error
    FROM held WHERE task_id = held.id AND number = held.attempt
), given AS (
    UPDATE tasks SET
        status = becomes,
        attempts_forgiven = attempts_forgiven + :forgiven,
        agent_id = {agent},
        claimed_by_id = CASE WHEN becomes <> 'pending' THEN tasks.claimed_by_id END,
        lease_token = NULL, lease_seconds = NULL, lease_expires_at = NULL,
        completed_at = CASE WHEN becomes <> 'pending' THEN statement_timestamp() END,
        error = CASE becomes WHEN 'failed' THEN :error ELSE tasks.error END
    FROM held WHERE tasks.id = held.id
    RETURNING {columns}, {was}
)
SELECT * FROM given ORDER BY id
"""

_RESCUE = {
    "which": "lease_expires_at <= statement_timestamp()",
    "spent": "attempt - attempts_forgiven >= max_attempts",
    "agent": "tasks.agent_id",
    "outcome": "'lost'",
    "skip": "SKIP LOCKED",
}
_LET_GO = {
    "which": "claimed_by_id = :agent",
    "spent": "false",
    "agent": "CASE WHEN CAST(:to AS uuid) IS NOT NULL THEN CAST(:to AS uuid)"
    " WHEN tasks.agent_id <> :agent THEN tasks.agent_id END",
    "outcome": "CASE becomes WHEN 'cancelled' THEN 'cancelled' ELSE 'released' END",
    "skip": "",
}

_HEARTBEAT = (
    update(_TASKS)
    .where(
        _TASKS.c.id == bindparam("key"),
        _TASKS.c.lease_token == bindparam("token"),
        _TASKS.c.deleted_at.is_(None),
    )
    .values(
        lease_expires_at=func.statement_timestamp()
        + func.make_interval(0, 0, 0, 0, 0, 0, _TASKS.c.lease_seconds),
        progress=func.coalesce(
            bindparam("progress", type_=_TASKS.c.progress.type), _TASKS.c.progress
        ),
    )
    .returning(_TASKS.c.lease_expires_at, _TASKS.c.cancel_requested)
)
_END_ATTEMPT = (
    update(_ATTEMPTS)
    .where(_ATTEMPTS.c.task_id == bindparam("task"), _ATTEMPTS.c.number == bindparam("attempt"))
    .values(
        outcome=bindparam("to_outcome"),
        error=bindparam("to_error"),
        ended_at=func.statement_timestamp(),
    )
)
_READDRESS = (
    update(_TASKS)
    .where(
        _TASKS.c.agent_id == bindparam("agent"),
        _TASKS.c.status == "pending",
        _TASKS.c.deleted_at.is_(None),
    )
    .values(agent_id=bindparam("to"))
    .returning(_TASKS.c.id)
)
_BUSY = (
    select(_TASKS.c.id)
    .where(
        _TASKS.c.claimed_by_id == bindparam("agent"),
        _TASKS.c.status == "running",
        _TASKS.c.deleted_at.is_(None),
    )
    .limit(1)
)
_STATS = (
    select(
        _TASKS.c.queue,
        _TASKS.c.status,
        func.count().label("count"),
        func.min(_TASKS.c.created_at).label("oldest"),
    )
    .where(_TASKS.c.deleted_at.is_(None))
    .group_by(_TASKS.c.queue, _TASKS.c.status)
    .order_by(_TASKS.c.queue, _TASKS.c.status)
)


class TaskQueue:
    """A task's record holds its `lease_token` here, and, where the status was changed, under
    `was` what it was before."""

    def claim(
        self,
        connection: Connection,
        agent_id: UUID,
        queues: Sequence[str],
        *,
        limit: int,
        lease_seconds: int | None,
    ) -> list[Record]:
        """Take up to `limit` tasks, by priority, then by how long they have been available.

        Without `lease_seconds` they are held until they are given back. Tasks whose lease ran out
        are taken too; those among them that may not run again come back as failed or cancelled.
        """
        lanes = [*queues, *(f"{queue}/{agent_id}" for queue in queues)]
        bound: dict[str, Any] = {f"lane_{number}": lane for number, lane in enumerate(lanes)}
        bound |= {"agent": agent_id, "limit": limit, "lease": lease_seconds}
        tasks = _records(connection.execute(_claim(len(lanes)), bound), _TAKEN)
        self._end_lost(connection, tasks)
        return tasks

    def _end_lost(self, connection: Connection, tasks: Sequence[Record]) -> None:
        """Close the attempts of those whose lease had run out when they were taken."""
        lost = {}
        for task in tasks:
            task["was"]["attempt"] = task["attempt"] - (task["status"] == TaskStatus.RUNNING)
            if task["was"]["status"] == TaskStatus.RUNNING:
                lost[str(task["id"])] = task["was"]["attempt"]
        if lost:
            connection.execute(_LOSE, {"tasks": list(lost), "numbers": list(lost.values())})

    def complete(
        self, connection: Connection, key: UUID, token: UUID | None, output: Any
    ) -> Record | None:
        """Complete the task that runs under this token; raises OpenSubtasks."""
        bound = {"key": key, "token": token, "output": output}
        row = connection.execute(_COMPLETE_ALONE, bound).one_or_none()
        row = row or connection.execute(_COMPLETE_SUBTASK, bound).one_or_none()
        return None if row is None else row._asdict()

    def heartbeat(
        self, connection: Connection, key: UUID, token: UUID | None, progress: Any
    ) -> Record | None:
        """Renew the lease for as long as it was given; returns when it ends."""
        bound = {"key": key, "token": token, "progress": progress}
        row = connection.execute(_HEARTBEAT, bound).one_or_none()
        return None if row is None else row._asdict()

    def lock(self, connection: Connection, key: UUID) -> Record | None:
        """The live task, locked after its parent."""
        row = connection.execute(_LOCKED, {"key": key}).one_or_none()
        return None if row is None else row._asdict()

    def end_attempt(
        self, connection: Connection, task: Record, outcome: str, error: str | None = None
    ) -> None:
        """Close the record of the attempt that a locked task is in."""
        bound = {"task": task["id"], "attempt": task["attempt"]}
        connection.execute(_END_ATTEMPT, {**bound, "to_outcome": outcome, "to_error": error})

    def rescue(self, connection: Connection) -> list[Record]:
        """Give back every task whose lease ran out and that nobody has locked."""
        bound = {"error": "The lease ran out.", "forgiven": 0}
        return _records(connection.execute(_RESCUED, bound), _HELD)

    def let_go(self, connection: Connection, agent_id: UUID, *, to: UUID | None) -> list[Record]:
        """Give back all that an agent runs, for any agent or for one alone."""
        bound = {"error": None, "forgiven": 1, "agent": agent_id, "to": to}
        return _records(connection.execute(_GONE, bound), _HELD)

    def readdress(self, connection: Connection, agent_id: UUID, *, to: UUID | None) -> list[UUID]:
        """Let what waits for an agent alone wait for another one, or for any."""
        return list(connection.execute(_READDRESS, {"agent": agent_id, "to": to}).scalars())

    def is_busy(self, connection: Connection, agent_id: UUID) -> bool:
        """Whether the agent runs a task."""
        return connection.execute(_BUSY, {"agent": agent_id}).first() is not None

    def stats(self, connection: Connection) -> list[Record]:
        """How many live tasks each queue has in each status, and since when."""
        return [row._asdict() for row in connection.execute(_STATS)]


# What is told of a task as it was before.
_TAKEN = ("status", "claimed_by_id", "started_at", "completed_at", "error")
_HELD = ("status", "agent_id", "claimed_by_id", "completed_at", "error")


def _records(rows: CursorResult[Any], before: Sequence[str]) -> list[Record]:
    names = tuple(rows.keys())
    records = [dict(zip(names, row, strict=True)) for row in rows.all()]
    for record in records:
        record["was"] = {name: record.pop(f"was_{name}") for name in before}
    return records


def _named(sql: str, was: str = "", before: Sequence[str] = (), **parts: str) -> TextualSelect:
    """The statement with the types of what goes in and what comes out."""
    columns: list[ColumnElement[Any]] = [column(c.key, c.type) for c in _KEPT]
    columns += [column(f"was_{name}", _TASKS.c[name].type) for name in before]
    parts["was"] = ", ".join(f"{was}.{name} AS was_{name}" for name in before)
    statement = text(sql.format(columns=_COLUMNS, open=_OPEN, before=", ".join(before), **parts))
    return statement.bindparams(
        *(
            bindparam(name, type_=kind)
            for name, kind in _PARAMETERS.items()
            if re.search(rf":{name}\b", statement.text)
        )
    ).columns(*columns)


_PARAMETERS: dict[str, Any] = {
    "key": _TASKS.c.id.type,
    "agent": _TASKS.c.agent_id.type,
    "to": _TASKS.c.agent_id.type,
    "token": _TASKS.c.lease_token.type,
    "output": _TASKS.c.output.type,
}

_COMPLETE_ALONE = _named(_COMPLETE, before_all="", parent="parent_id IS NULL")
_COMPLETE_SUBTASK = _named(_COMPLETE, before_all=f"{_PARENT_FIRST}, ", parent=_PARENT_IS_LOCKED)
_LOCKED = _named(_LOCK, before_all=_PARENT_FIRST, parent=_PARENT_IS_LOCKED)
_LOSE = text(_LOST)
_RESCUED = _named(_GIVE_BACK, "held", _HELD, **_RESCUE)
_GONE = _named(_GIVE_BACK, "held", _HELD, **_LET_GO)


@lru_cache(maxsize=128)
def _claim(lanes: int) -> TextualSelect:
    every = " UNION ALL ".join(_LANE.format(number=number, open=_OPEN) for number in range(lanes))
    return _named(_CLAIM, "taken", _TAKEN, lanes=every)
