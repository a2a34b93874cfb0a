from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from flask import g
from flask.views import MethodView
from flask_smorest import Blueprint
from sqlalchemy import func, select, update

from benchmarks.peers.common.events import TASK_FIELDS, first_values
from benchmarks.peers.common.refusals import Refused
from benchmarks.peers.smorest.models import Task, TaskAttempt, add_event, db
from benchmarks.peers.smorest.schemas import (
    ClaimedTasksSchema,
    ClaimSchema,
    CompletionSchema,
    TaskSchema,
)

blueprint = Blueprint("tasks", "tasks", url_prefix="/v1/tasks")


@blueprint.route("")
class Tasks(MethodView):
    @blueprint.arguments(TaskSchema)
    @blueprint.response(201, TaskSchema)
    def post(self, values: dict[str, Any]) -> Any:
        g.actor.require_writer()
        task = Task(**values)
        db.session.add(task)
        db.session.flush()
        changes = first_values(task, TASK_FIELDS)
        changes["metadata"] = (None, task.metadata_)
        add_event("created", task, changes)
        db.session.commit()
        headers = {"ETag": f'"{task.version}"', "Location": f"/v1/tasks/{task.id}"}
        return task, 201, headers


@blueprint.route("/claim")
class Claims(MethodView):
    @blueprint.arguments(ClaimSchema)
    @blueprint.response(200, ClaimedTasksSchema)
    def post(self, given: dict[str, Any]) -> Any:
        queues = g.actor.claimable(given["queues"])
        tasks = db.session.scalars(_due(queues, given["limit"])).all()
        changes = [_claim(task, given["lease_seconds"]) for task in tasks]
        db.session.flush()
        for task, change in zip(tasks, changes, strict=True):
            add_event("claimed", task, change)
        db.session.commit()
        return {"items": tasks}


@blueprint.route("/<uuid:key>/complete")
class Completions(MethodView):
    @blueprint.arguments(CompletionSchema)
    @blueprint.response(200, TaskSchema)
    def post(self, given: dict[str, Any], key: UUID) -> Any:
        task = db.session.get(Task, key, with_for_update={"key_share": True})
        if task is None or task.deleted_at is not None:
            raise Refused(404, "not-found")
        if task.lease_token != given["lease_token"] or str(task.claimed_by_id) != g.actor.id:
            raise Refused(409, "lease-lost")
        now = datetime.now(UTC)
        task.status, task.output, task.completed_at = "completed", given["output"], now
        task.lease_token = task.lease_seconds = task.lease_expires_at = None
        db.session.execute(
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
        add_event("completed", task, changes)
        db.session.commit()
        return task, 200, {"ETag": f'"{task.version}"'}


def _due(queues: list[str], limit: int) -> Any:
    """The tasks that wait longest, by priority; those that another claim has locked are skipped."""
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
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True)
    )


def _claim(task: Task, lease_seconds: int) -> dict[str, tuple[Any, Any]]:
    """Returns the changes for the event."""
    now, was = datetime.now(UTC), task.started_at
    task.status, task.attempt, task.claimed_by_id = "running", task.attempt + 1, UUID(g.actor.id)
    task.lease_token, task.lease_seconds, task.started_at = uuid4(), lease_seconds, now
    task.lease_expires_at = now + timedelta(seconds=lease_seconds)
    attempt = {"task_id": task.id, "number": task.attempt, "agent_id": task.claimed_by_id}
    db.session.add(TaskAttempt(**attempt, started_at=now))
    return {
        "status": ("pending", "running"),
        "attempt": (task.attempt - 1, task.attempt),
        "claimed_by_id": (None, task.claimed_by_id),
        "started_at": (was, now),
    }
