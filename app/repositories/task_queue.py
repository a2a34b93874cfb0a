"""Tasks as a queue, in named SQL: claimed, held under a lease, and ended.

The order of locks is agent, parent, task: whoever ends a task holds its parent first, since a
trigger counts the parent's open sub-tasks.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, bindparam, column, func, select, text, update

from app.models import Task, TaskAttempt

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Connection, CursorResult, TextualSelect

    from app.repositories.reading import Record

_TASKS, _ATTEMPTS = Task.__table__, TaskAttempt.__table__
_KEPT = [c for c in _TASKS.c if c.key not in ("lane", "available_at", "open_subtasks")]
_COLUMNS = ", ".join(f"tasks.{c.name}" for c in _KEPT)

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
        SELECT id, {before},
            CASE WHEN status = 'pending' THEN 'running'
                 WHEN cancel_requested THEN 'cancelled'
                 WHEN attempt - attempts_forgiven >= max_attempts THEN 'failed'
                 ELSE 'running' END AS becomes
        FROM tasks
        WHERE tasks.id = due.id AND available_at <= statement_timestamp() AND {open}
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS held
    LIMIT :limit
), lost AS (
    UPDATE task_attempts
    SET outcome = 'lost', ended_at = statement_timestamp(), error = 'The lease ran out.'
    FROM taken
    WHERE taken.status = 'running' AND task_id = taken.id AND number = taken.attempt
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
        error = CASE becomes WHEN 'failed' THEN 'The lease ran out.' ELSE tasks.error END,
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

_COMPLETE = """
WITH {parent_first}, done AS (
    UPDATE tasks SET status = 'completed', output = :output, error = NULL,
        lease_token = NULL, lease_seconds = NULL, lease_expires_at = NULL,
        completed_at = statement_timestamp()
    WHERE id = :key AND lease_token = :token AND deleted_at IS NULL
      AND (SELECT count(*) FROM parent) >= 0
    RETURNING {columns}
), ended AS (
    UPDATE task_attempts SET outcome = 'completed', ended_at = statement_timestamp()
    FROM done WHERE task_id = done.id AND number = done.attempt
)
SELECT * FROM done
"""

_LOCK = """
WITH {parent_first}
SELECT {columns} FROM tasks
WHERE id = :key AND deleted_at IS NULL AND (SELECT count(*) FROM parent) >= 0
FOR NO KEY UPDATE
"""

# Running tasks that are given back, by whoever holds them or because the lease ran out.
_GIVE_BACK = """
WITH held AS (
    SELECT id, {before},
        CASE WHEN cancel_requested THEN 'cancelled'
             WHEN {spent} THEN 'failed'
             ELSE 'pending' END AS becomes
    FROM tasks WHERE status = 'running' AND deleted_at IS NULL AND {which}
    FOR NO KEY UPDATE {skip}
), ended AS (
    UPDATE task_attempts
    SET outcome = :outcome, ended_at = statement_timestamp(), error = :error
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
    "skip": "SKIP LOCKED",
}
_LET_GO = {
    "which": "claimed_by_id = :agent",
    "spent": "false",
    "agent": "CASE WHEN CAST(:to AS uuid) IS NOT NULL THEN CAST(:to AS uuid)"
    " WHEN tasks.agent_id <> :agent THEN tasks.agent_id END",
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
        return _records(connection.execute(_claim(len(lanes)), bound))

    def complete(
        self, connection: Connection, key: UUID, token: UUID, output: Any
    ) -> Record | None:
        """Complete the task that runs under this token; raises OpenSubtasks."""
        bound = {"key": key, "token": token, "output": output}
        row = connection.execute(_COMPLETED, bound).one_or_none()
        return None if row is None else row._asdict()

    def heartbeat(
        self, connection: Connection, key: UUID, token: UUID, progress: Any
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
        bound = {"outcome": "lost", "error": "The lease ran out.", "forgiven": 0}
        return _records(connection.execute(_RESCUED, bound))

    def let_go(self, connection: Connection, agent_id: UUID, *, to: UUID | None) -> list[Record]:
        """Give back all that an agent runs, for any agent or for one alone."""
        bound = {"outcome": "released", "error": None, "forgiven": 1, "agent": agent_id, "to": to}
        return _records(connection.execute(_GONE, bound))

    def readdress(self, connection: Connection, agent_id: UUID, *, to: UUID | None) -> list[UUID]:
        """Let what waits for an agent alone wait for another one, or for any."""
        return list(connection.execute(_READDRESS, {"agent": agent_id, "to": to}).scalars())

    def is_busy(self, connection: Connection, agent_id: UUID) -> bool:
        """Whether the agent runs a task."""
        return connection.execute(_BUSY, {"agent": agent_id}).first() is not None

    def stats(self, connection: Connection) -> list[Record]:
        """How many live tasks each queue has in each status, and since when."""
        return [row._asdict() for row in connection.execute(_STATS)]


_BEFORE = ("status", "attempt", "agent_id", "claimed_by_id", "started_at", "completed_at", "error")


def _records(rows: CursorResult[Any]) -> list[Record]:
    records = [row._asdict() for row in rows]
    for record in records:
        record["was"] = {name: record.pop(f"was_{name}") for name in _BEFORE}
    return records


def _named(sql: str, *, was: str | None = None, **parts: str) -> TextualSelect:
    """The statement with the types of what goes in and what comes out."""
    columns: list[ColumnElement[Any]] = [column(c.key, c.type) for c in _KEPT]
    if was is not None:
        parts["before"] = ", ".join(_BEFORE)
        parts["was"] = ", ".join(f"{was}.{name} AS was_{name}" for name in _BEFORE)
        columns += [column(f"was_{name}", _TASKS.c[name].type) for name in _BEFORE]
    statement = text(sql.format(columns=_COLUMNS, open=_OPEN, parent_first=_PARENT_FIRST, **parts))
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

_COMPLETED = _named(_COMPLETE)
_LOCKED = _named(_LOCK)
_RESCUED = _named(_GIVE_BACK, was="held", **_RESCUE)
_GONE = _named(_GIVE_BACK, was="held", **_LET_GO)


@lru_cache(maxsize=128)
def _claim(lanes: int) -> TextualSelect:
    every = " UNION ALL ".join(_LANE.format(number=number, open=_OPEN) for number in range(lanes))
    return _named(_CLAIM, was="taken", lanes=every)
