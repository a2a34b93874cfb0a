"""The claim of tasks: one statement, built once for each number of lanes."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from app.repositories.task_statements import IS_OPEN, named

if TYPE_CHECKING:
    from sqlalchemy import TextualSelect

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

# Of many tasks just the first are claimed, up to :most_bytes of what they hold; the others are not
# locked for longer than the unit. The first one is claimed whatever its size.
# Tasks that only end do not count: the claim does not answer with them.
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

# Which due tasks a claim takes. A spent one was lost, and does not run again.
ANY = "true"
SPENT = """(status = 'running'
    AND (cancel_requested OR attempt - attempts_forgiven >= max_attempts))"""
RUNNABLE = f"NOT {SPENT}"

# The columns of a claimed task that come with their values from before, as `was_...`.
TAKEN = ("status", "available_at", "claimed_by_id", "started_at", "completed_at", "error")


@lru_cache(maxsize=128)
def claim(lanes: int, which: str = ANY, *, within_bytes: bool = False) -> TextualSelect:
    """`which` is ANY, RUNNABLE, or SPENT: those that only end.

    With `within_bytes` there is one more parameter, `most_bytes`.
    """
    every = " UNION ALL ".join(_LANE.format(number=number, open=IS_OPEN) for number in range(lanes))
    parts = _WITHIN_BYTES if within_bytes else _ANY_BYTES
    return named(_CLAIM, "taken", TAKEN, lanes=every, which=which, **parts)
