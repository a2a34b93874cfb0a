"""Tasks: created, claimed with a lease, and completed; each with its event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from uuid_utils import uuid7

from benchmarks.peers.common.refusals import Refused
from benchmarks.peers.floor import bodies
from benchmarks.peers.floor.database import query

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

    from benchmarks.peers.floor.application import Answer
    from benchmarks.peers.floor.callers import Caller

_COLUMNS = (
    "id",
    "version",
    "created_at",
    "updated_at",
    "kind",
    "queue",
    "priority",
    "agent_id",
    "input",
    "metadata",
    "run_after",
    "max_attempts",
    "dedupe_key",
    "conversation_id",
    "parent_id",
    "status",
    "attempt",
    "cancel_requested",
    "claimed_by_id",
    "output",
    "error",
    "progress",
    "lease_expires_at",
    "started_at",
    "completed_at",
)
_RETURNED = ", ".join(f"tasks.{name}" for name in _COLUMNS)
_LISTED = ", ".join(_COLUMNS)
_FIELDS = {
    "kind": bodies.text(64),
    "queue": bodies.queue,
    "priority": bodies.integer(0, 9),
    "input": bodies.json_object,
    "metadata": bodies.json_object,
    "max_attempts": bodies.integer(1, 100),
}
_CLAIM_FIELDS = {
    "limit": bodies.integer(1, 100),
    "lease_seconds": bodies.integer(1, 86_400),
    "queues": lambda value: isinstance(value, list) and all(map(bodies.queue, value)),
}
_COMPLETE_FIELDS = {"lease_token": bodies.text(200), "output": lambda _: True}

_EVENT = """
    INSERT INTO events (id, actor_kind, actor_id, actor_name, action, object_type, object_id,
        object_version, changes, request_id)
"""
_TIME = """to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""

_CREATE = f"""
WITH made AS (
    INSERT INTO tasks (id, kind, queue, priority, input, metadata, max_attempts)
    VALUES (%(id)s, %(kind)s, %(queue)s, %(priority)s, %(input)s, %(metadata)s, %(max_attempts)s)
    RETURNING {_RETURNED}
), added AS ({_EVENT}
    SELECT %(event_id)s, %(actor_kind)s, %(actor_id)s, %(actor_name)s, 'created', 'tasks', id,
        version, %(changes)s::jsonb || jsonb_build_object('run_after', jsonb_build_object(
            'before', NULL, 'after', {_TIME.format("run_after")})),
        %(request_id)s
    FROM made
), personal AS (
    INSERT INTO event_personal_values (event_id, changes)
    SELECT %(event_id)s, %(personal)s FROM made
)
SELECT * FROM made
"""

# The tasks of one lane, a queue or a queue of one agent, in the order of the index ix_tasks_claim.
_LANE = """
(SELECT id, available_at FROM tasks
 WHERE lane = %(lane_{number})s AND priority = level.priority
    AND available_at <= statement_timestamp() AND status IN ('pending', 'running')
    AND deleted_at IS NULL
 ORDER BY available_at, id)"""
# The LATERAL joins make PostgreSQL lock rows one by one, and stop at the limit. Ids of events are
# given for as many tasks as may be claimed.
_CLAIM = f"""
WITH taken AS (
    SELECT held.* FROM generate_series(0, 9) AS level (priority)
    CROSS JOIN LATERAL (SELECT id FROM ({{lanes}}) AS lanes ORDER BY available_at, id) AS due
    CROSS JOIN LATERAL (
        SELECT id, started_at FROM tasks
        WHERE tasks.id = due.id AND status = 'pending' AND deleted_at IS NULL
            AND run_after <= statement_timestamp()
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS held
    LIMIT %(limit)s
), claimed AS (
    UPDATE tasks SET status = 'running', attempt = attempt + 1, claimed_by_id = %(actor_id)s,
        lease_token = gen_random_uuid(), lease_seconds = %(lease_seconds)s,
        lease_expires_at = statement_timestamp() + make_interval(secs => %(lease_seconds)s),
        started_at = statement_timestamp(), progress = NULL
    FROM taken WHERE tasks.id = taken.id
    RETURNING {_RETURNED}, lease_token, taken.started_at AS started_before
), begun AS (
    INSERT INTO task_attempts (task_id, number, agent_id, started_at)
    SELECT id, attempt, claimed_by_id, started_at FROM claimed
), added AS ({_EVENT}
    SELECT (%(event_ids)s::uuid[])[row_number() OVER ()], %(actor_kind)s, %(actor_id)s,
        %(actor_name)s, 'claimed', 'tasks', id, version,
        jsonb_build_object(
            'status', '{{{{"before": "pending", "after": "running"}}}}'::jsonb,
            'attempt', jsonb_build_object('before', attempt - 1, 'after', attempt),
            'claimed_by_id', jsonb_build_object('before', NULL, 'after', claimed_by_id),
            'started_at', jsonb_build_object(
                'before', {_TIME.format("started_before")}, 'after', {_TIME.format("started_at")})),
        %(request_id)s
    FROM claimed
)
SELECT {_LISTED}, lease_token FROM claimed ORDER BY priority, run_after, id
"""

_COMPLETE = f"""
WITH done AS (
    SELECT {_RETURNED} FROM complete_task(
        (SELECT id FROM tasks WHERE id = %(id)s AND claimed_by_id = %(actor_id)s),
        %(lease_token)s, %(output)s) AS tasks
), added AS ({_EVENT}
    SELECT %(event_id)s, %(actor_kind)s, %(actor_id)s, %(actor_name)s, 'completed', 'tasks', id,
        version,
        '{{"output": null, "status": {{"before": "running", "after": "completed"}}}}'::jsonb
        || jsonb_build_object('completed_at', jsonb_build_object(
            'before', NULL, 'after', {_TIME.format("completed_at")})),
        %(request_id)s
    FROM done
), personal AS (
    INSERT INTO event_personal_values (event_id, changes)
    SELECT %(event_id)s, jsonb_build_object('output', jsonb_build_object(
        'before', NULL, 'after', output))
    FROM done
)
SELECT * FROM done
"""


def create(caller: Caller, environ: WSGIEnvironment) -> Answer:
    caller.actor.require_writer()
    body = bodies.read(environ)
    bodies.check(body, _FIELDS, ("kind", "queue"))
    values = {"priority": 5, "input": {}, "metadata": {}, "max_attempts": 3, **body}
    personal = {name: values[name] for name in ("input", "metadata")}
    shown = {name: value for name, value in values.items() if name not in personal}
    shown |= {"status": "pending", "attempt": 0, "cancel_requested": False}
    changes = _from_null(shown) | dict.fromkeys(personal)
    bound = {
        **values,
        **caller.columns,
        "id": str(uuid7()),
        "event_id": str(uuid7()),
        "input": _json(values["input"]),
        "metadata": _json(values["metadata"]),
        "changes": _json(changes),
        "personal": _json(_from_null(personal)),
    }
    (row,) = query(_CREATE, bound)
    return 201, _task(row), [("ETag", f'"{row[1]}"'), ("Location", f"/v1/tasks/{row[0]}")]


def claim(caller: Caller, environ: WSGIEnvironment) -> Answer:
    body = bodies.read(environ)
    bodies.check(body, _CLAIM_FIELDS, ())
    queues = caller.actor.claimable(body.get("queues"))
    limit = body.get("limit", 1)
    lanes = [*queues, *(f"{queue}/{caller.actor.id}" for queue in queues)]
    bound: dict[str, object] = {f"lane_{number}": lane for number, lane in enumerate(lanes)}
    bound |= {"limit": limit, "lease_seconds": body.get("lease_seconds", 60)}
    bound["event_ids"] = [str(uuid7()) for _ in range(limit)]
    every = " UNION ALL ".join(_LANE.format(number=number) for number in range(len(lanes)))
    rows = query(_CLAIM.format(lanes=every), {**bound, **caller.columns}) if lanes else []
    items = [{**_task(row[:-1]), "lease_token": row[-1]} for row in rows]
    return 200, {"items": items}, []


def complete(caller: Caller, environ: WSGIEnvironment, key: str) -> Answer:
    body = bodies.read(environ)
    bodies.check(body, _COMPLETE_FIELDS, ("lease_token", "output"))
    bound = {
        **caller.columns,
        "id": key,
        "event_id": str(uuid7()),
        "lease_token": body["lease_token"],
        "output": _json(body["output"]),
    }
    rows = query(_COMPLETE, bound)
    if not rows:
        known = query("SELECT FROM tasks WHERE id = %(id)s", {"id": key})
        raise Refused(409, "lease-lost") if known else Refused(404, "not-found")
    return 200, _task(rows[0]), [("ETag", f'"{rows[0][1]}"')]


def _task(row: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(_COLUMNS, row, strict=True))


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _from_null(values: dict[str, Any]) -> dict[str, Any]:
    return {name: {"before": None, "after": value} for name, value in values.items()}
