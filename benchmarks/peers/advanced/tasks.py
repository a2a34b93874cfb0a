from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from flask import Blueprint, Response, g
from sqlalchemy import func, select, update

from benchmarks.peers.advanced.models import (
    EventService,
    Task,
    TaskAttempt,
    TaskService,
    new_event,
)
from benchmarks.peers.advanced.session import answer, body, service, session
from benchmarks.peers.common import schemas
from benchmarks.peers.common.events import TASK_FIELDS, first_values
from benchmarks.peers.common.refusals import Refused

if TYPE_CHECKING:
    from sqlalchemy import Select

blueprint = Blueprint("tasks", __name__, url_prefix="/v1/tasks")


@blueprint.post("")
def create() -> Response:
    g.actor.require_writer()
    tasks = service(TaskService)
    task = tasks.create(body(schemas.NewTask).model_dump())
    changes = first_values(task, TASK_FIELDS)
    changes["metadata"] = (None, task.metadata_)
    service(EventService).create(new_event("created", task, changes))
    headers = {"ETag": f'"{task.version}"', "Location": f"/v1/tasks/{task.id}"}
    return answer(tasks.to_schema(task, schema_type=schemas.Task), 201, headers)


@blueprint.post("/claim")
def claim() -> Response:
    given = body(schemas.Claim)
    tasks = service(TaskService)
    claimed = session().scalars(_due(given)).all()
    changes = [_claim(task, given.lease_seconds) for task in claimed]
    session().flush()
    events = [new_event("claimed", task, of) for task, of in zip(claimed, changes, strict=True)]
    service(EventService).create_many(events)
    items = tasks.to_schema(claimed, schema_type=schemas.ClaimedTask).items
    return answer(schemas.ClaimedTasks(items=items))


@blueprint.post("/<uuid:key>/complete")
def complete(key: UUID) -> Response:
    given = body(schemas.Completion)
    tasks = service(TaskService)
    lock = {"key_share": True}
    task = tasks.get_one_or_none(id=key, deleted_at=None, with_for_update=lock)
    if task is None:
        raise Refused(404, "not-found")
    if task.lease_token != given.lease_token or str(task.claimed_by_id) != g.actor.id:
        raise Refused(409, "lease-lost")
    now = datetime.now(UTC)
    task.status, task.output, task.completed_at = "completed", given.output, now
    task.lease_token = task.lease_seconds = task.lease_expires_at = None
    session().execute(
        update(TaskAttempt)
        .where(TaskAttempt.task_id == key, TaskAttempt.number == task.attempt)
        .values(outcome="completed", ended_at=now)
        .execution_options(synchronize_session=False)
    )
    changes = {
        "status": ("running", "completed"),
        "output": (None, task.output),
        "completed_at": (None, now),
    }
    service(EventService).create(new_event("completed", task, changes))
    made = tasks.to_schema(task, schema_type=schemas.Task)
    return answer(made, headers={"ETag": f'"{task.version}"'})


def _due(given: schemas.Claim) -> Select[Task]:
    """The tasks that wait longest, by priority; those that another claim has locked are skipped."""
    queues = g.actor.claimable(given.queues)
    lanes = [*queues, *(f"{queue}/{g.actor.id}" for queue in queues)]
    return (
        select(Task)
        .where(
            Task.lane.in_(lanes),
            Task.status == "pending",
            Task.available_at <= func.now(),
            Task.deleted_at.is_(None),
        )
        .order_by(Task.priority, Task.available_at, Task.id)
        .limit(given.limit)
        .with_for_update(skip_locked=True, key_share=True)
    )


def _claim(task: Task, lease_seconds: int) -> dict[str, tuple[Any, Any]]:
    """Returns the changes for the event."""
    now, was = datetime.now(UTC), task.started_at
    task.status, task.attempt, task.claimed_by_id = "running", task.attempt + 1, UUID(g.actor.id)
    task.lease_token, task.lease_seconds, task.started_at = uuid4(), lease_seconds, now
    task.lease_expires_at = now + timedelta(seconds=lease_seconds)
    attempt = {"task_id": task.id, "number": task.attempt, "agent_id": task.claimed_by_id}
    session().add(TaskAttempt(**attempt, started_at=now))
    return {
        "status": ("pending", "running"),
        "attempt": (task.attempt - 1, task.attempt),
        "claimed_by_id": (None, task.claimed_by_id),
        "started_at": (was, now),
    }
