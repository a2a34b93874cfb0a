"""The statements of the task queue, except the claim. Each is built once, with its types.

The order of locks is agent, conversation, parent, task. A statement that ends a task locks its
parent first, because a trigger counts the parent's open sub-tasks.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, bindparam, column, func, or_, select, text, update

from app.db import Prepared
from app.domain.tasks import OPEN
from app.models import Task, TaskAttempt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.types import TypeEngine

_TASKS, _ATTEMPTS = Task.__table__, TaskAttempt.__table__
_KEPT = [c for c in _TASKS.c if c.key not in ("lane", "available_at", "open_subtasks")]
_COLUMNS = ", ".join(f"tasks.{c.name} AS {c.key}" for c in _KEPT)

# The condition of the index ix_tasks_claim, in the same words.
IS_OPEN = "status IN ('pending', 'running') AND deleted_at IS NULL"

_COMPLETE = "SELECT {columns} FROM complete_task(:key, :token, :output) AS tasks"

# The attempt ends at the time when the claim began the next one, or ended the task.
_END_LOST_ATTEMPTS = """
UPDATE task_attempts
SET outcome = 'lost', ended_at = coalesce(tasks.completed_at, tasks.started_at),
    error = 'The lease ran out.'
FROM unnest(CAST(:tasks AS uuid[]), CAST(:numbers AS int[])) AS lost (task, attempt)
    JOIN tasks ON tasks.id = lost.task
WHERE task_id = lost.task AND number = lost.attempt
"""

# The count is always >= 0. The condition makes PostgreSQL evaluate, and so lock, the parent before
# it locks the task; a CTE that nothing reads would not run at all.
_LOCK = """
WITH parent AS MATERIALIZED (
    SELECT parent.id FROM tasks AS child JOIN tasks AS parent ON parent.id = child.parent_id
    WHERE child.id = :key FOR NO KEY UPDATE OF parent
)
SELECT {columns} FROM tasks
WHERE id = :key AND deleted_at IS NULL AND (SELECT count(*) FROM parent) >= 0
FOR NO KEY UPDATE
"""

# Gives running tasks back to the queue: because their agent is deactivated, or their lease expired.
# `held` are these tasks, with the status that each will have.
_GIVE_BACK = """
WITH held AS (
    SELECT id, attempt, {before},
        CASE WHEN cancel_requested THEN 'cancelled'
             WHEN {exhausted} THEN 'failed'
             ELSE 'pending' END AS becomes
    FROM tasks WHERE status = 'running' AND deleted_at IS NULL AND {which}
    {lock}
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

# Cancels a task and the open tasks below it; a running one only gets `cancel_requested`. The caller
# has locked the topmost task, and repeats the statement until it finds no more: meanwhile somebody
# may have added a task below one of the others.
_CANCEL = """
WITH RECURSIVE tree AS (
    SELECT id FROM tasks WHERE id = :key
    UNION ALL
    SELECT tasks.id FROM tree JOIN tasks ON tasks.parent_id = tree.id
    WHERE tasks.deleted_at IS NULL
), held AS (
    SELECT id, {before} FROM tasks
    WHERE id IN (SELECT id FROM tree) AND {open} AND NOT cancel_requested
    ORDER BY id FOR NO KEY UPDATE
), changed AS (
    UPDATE tasks SET
        status = CASE held.status WHEN 'pending' THEN 'cancelled' ELSE tasks.status END,
        cancel_requested = held.status = 'running',
        completed_at = CASE held.status WHEN 'pending' THEN statement_timestamp() END
    FROM held WHERE tasks.id = held.id
    RETURNING {columns}, {was}
)
SELECT * FROM changed ORDER BY id
"""

_WITH_EXPIRED_LEASE = {
    "which": "lease_expires_at <= statement_timestamp()",
    "exhausted": "attempt - attempts_forgiven >= max_attempts",
    "agent": "tasks.agent_id",
    "outcome": "'lost'",
    # The order of ix_tasks_claimed_by_id, which contains only running tasks: PostgreSQL then reads
    # and sorts no other tasks.
    "lock": "ORDER BY claimed_by_id LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED",
}
_HELD_BY_AGENTS = {
    "which": "claimed_by_id = ANY (CAST(:agents AS uuid[]))",
    "exhausted": "false",
    "agent": "CASE WHEN CAST(:to AS uuid) IS NOT NULL THEN CAST(:to AS uuid)"
    " WHEN tasks.agent_id <> ALL (CAST(:agents AS uuid[])) THEN tasks.agent_id END",
    "outcome": "CASE becomes WHEN 'cancelled' THEN 'cancelled' ELSE 'released' END",
    "lock": "ORDER BY id FOR NO KEY UPDATE",
}

HEARTBEAT = Prepared(
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
    .returning(_TASKS.c.lease_expires_at, _TASKS.c.cancel_requested, _TASKS.c.claimed_by_id)
)
END_ATTEMPT = Prepared(
    update(_ATTEMPTS)
    .where(_ATTEMPTS.c.task_id == bindparam("task"), _ATTEMPTS.c.number == bindparam("attempt"))
    .values(
        outcome=bindparam("to_outcome"),
        error=bindparam("to_error"),
        ended_at=func.statement_timestamp(),
    )
)
_children = _TASKS.alias()
LOCK_PARENTS = Prepared(
    select(_TASKS.c.id)
    .where(
        _TASKS.c.id.in_(
            select(_children.c.parent_id).where(
                _children.c.claimed_by_id.in_(bindparam("agents", expanding=True)),
                _children.c.status == "running",
                _children.c.deleted_at.is_(None),
            )
        )
    )
    .order_by(_TASKS.c.id)
    .with_for_update(key_share=True)
)
_addressed = (
    select(_TASKS.c.id, _TASKS.c.agent_id)
    .where(
        _TASKS.c.agent_id.in_(bindparam("agents", expanding=True)),
        _TASKS.c.status.in_(OPEN),
        _TASKS.c.queue.not_in(bindparam("kept", expanding=True)),
        _TASKS.c.deleted_at.is_(None),
    )
    .order_by(_TASKS.c.id)
    .with_for_update(key_share=True)
    .cte("addressed")
)
READDRESS = Prepared(
    update(_TASKS)
    .where(_TASKS.c.id == _addressed.c.id)
    .values(agent_id=bindparam("to"))
    .returning(_addressed)
)
QUEUES_OF = Prepared(
    select(_TASKS.c.queue)
    .where(
        _TASKS.c.status.in_(OPEN),
        _TASKS.c.deleted_at.is_(None),
        ~_TASKS.c.cancel_requested,
        or_(
            (_TASKS.c.claimed_by_id == bindparam("agent")) & (_TASKS.c.status == "running"),
            _TASKS.c.agent_id == bindparam("agent"),
        ),
    )
    .distinct()
    .order_by(_TASKS.c.queue)
)
STATS = Prepared(
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

# The columns whose values from before the statement it returns, as `was_...`.
BEFORE_CANCELLING = ("status", "cancel_requested", "completed_at")
BEFORE_GIVING_BACK = ("status", "agent_id", "claimed_by_id", "completed_at", "error")


def named(sql: str, was: str = "", before: Sequence[str] = (), **parts: str) -> Prepared:
    """The statement with the types of its parameters and columns.

    `{columns}` in the SQL becomes the columns of a task, `{before}` the columns in `before`, and
    `{was}` those of the table or CTE `was`, as `was_...`; `parts` are further texts.
    """
    columns: list[ColumnElement[object]] = [column(c.key, c.type) for c in _KEPT]
    columns += [column(f"was_{name}", _TASKS.c[name].type) for name in before]
    parts["was"] = ", ".join(f"{was}.{name} AS was_{name}" for name in before)
    statement = text(sql.format(columns=_COLUMNS, open=IS_OPEN, before=", ".join(before), **parts))
    typed = statement.bindparams(
        *(
            bindparam(name, type_=kind)
            for name, kind in _PARAMETERS.items()
            if re.search(rf":{name}\b", statement.text)
        )
    )
    return Prepared(typed.columns(*columns))


_PARAMETERS: dict[str, TypeEngine[object]] = {
    "key": _TASKS.c.id.type,
    "agent": _TASKS.c.agent_id.type,
    "to": _TASKS.c.agent_id.type,
    "token": _TASKS.c.lease_token.type,
    "output": _TASKS.c.output.type,
}

COMPLETE = named(_COMPLETE)
LOCK = named(_LOCK)
END_LOST_ATTEMPTS = Prepared(text(_END_LOST_ATTEMPTS))
RESCUE = named(_GIVE_BACK, "held", BEFORE_GIVING_BACK, **_WITH_EXPIRED_LEASE)
CANCEL = named(_CANCEL, "held", BEFORE_CANCELLING)
GIVE_BACK = named(_GIVE_BACK, "held", BEFORE_GIVING_BACK, **_HELD_BY_AGENTS)
