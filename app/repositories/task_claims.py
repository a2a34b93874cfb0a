"""The claim of tasks: one statement, built once for each number of lanes."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from app.repositories.task_statements import IS_OPEN, named

if TYPE_CHECKING:
    from app.db import Prepared

# The tasks of one lane and priority, the longest waiting first. PostgreSQL reads only the index.
_TASKS_OF_LANE = """
(SELECT id, available_at FROM tasks
 WHERE lane = :lane_{number} AND priority = level.priority
   AND available_at <= statement_timestamp() AND {open}
 ORDER BY available_at, id)"""

# PostgreSQL merges the lanes, locks rows one by one in that order, and stops at the limit: it locks
# no row that is not claimed. The LATERAL joins keep it from reading rows in another order.
# A running task among them has an expired lease: its attempt is lost. It ends here as cancelled or
# failed where somebody has asked to cancel it or it has no attempts left.
_CLAIM = """
WITH taken AS (
    {first_of} SELECT held.*
    FROM generate_series(0, 9) AS level (priority)
    CROSS JOIN LATERAL (
        SELECT id FROM ({lanes}) AS lanes ORDER BY available_at, id
    ) AS due
    CROSS JOIN LATERAL (
        SELECT id, attempt, {before}{bytes},
            CASE WHEN status = 'pending' THEN 'running'
                 WHEN cancel_requested THEN 'cancelled'
                 WHEN attempt - attempts_forgiven >= max_attempts THEN 'failed'
                 ELSE 'running' END AS becomes
        FROM tasks
        WHERE tasks.id = due.id AND available_at <= statement_timestamp() AND {open} AND {which}
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS held
    LIMIT :limit {that_fit}
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
SELECT * FROM claimed ORDER BY priority, was_available_at, id
"""

# Claims only the first of the locked tasks, up to :most_bytes of input and metadata; the others
# stay locked until the unit ends. The first one is claimed whatever its size. Tasks that end here
# do not count, because the response to a claim does not contain them.
_WITHIN_BYTES = {
    "bytes": ", "
    + " + ".join(
        f"CASE WHEN pg_column_compression({name}) IS NULL THEN pg_column_size({name})"
        f" ELSE octet_length({name}::text) END"
        for name in ("input", "metadata")
    )
    + " AS bytes",
    "first_of": "SELECT * FROM (SELECT *, sum(bytes) FILTER (WHERE becomes = 'running') OVER"
    " (ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before FROM (",
    "that_fit": ") AS due) AS sized"
    " WHERE becomes <> 'running'"
    " OR bytes_before IS NULL OR bytes_before + bytes <= :most_bytes",
}
_ANY_BYTES = {"bytes": "", "first_of": "", "that_fit": ""}

# Conditions on the tasks that a claim takes. A task whose lease ran out does not run again where
# somebody has asked to cancel it or it has no attempts left: the claim ends it instead.
ANY = "true"
ENDING = """(status = 'running'
    AND (cancel_requested OR attempt - attempts_forgiven >= max_attempts))"""
RUNNABLE = f"NOT {ENDING}"

# The columns whose values from before the claim it returns, as `was_...`.
BEFORE_CLAIM = ("status", "available_at", "claimed_by_id", "started_at", "completed_at", "error")


@lru_cache(maxsize=128)
def claim(lanes: int, which: str = ANY, *, within_bytes: bool = False) -> Prepared:
    """The statement that claims from so many lanes; `which` is ANY, RUNNABLE or ENDING.

    Its parameters are `lane_0`, `lane_1` ..., `agent`, `limit`, `lease` (seconds), and with
    `within_bytes` also `most_bytes`.
    """
    every = " UNION ALL ".join(
        _TASKS_OF_LANE.format(number=number, open=IS_OPEN) for number in range(lanes)
    )
    parts = _WITHIN_BYTES if within_bytes else _ANY_BYTES
    return named(_CLAIM, "taken", BEFORE_CLAIM, lanes=every, which=which, **parts)
