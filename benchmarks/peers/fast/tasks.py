from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Response
from sqlalchemy import func, select, update

from benchmarks.peers.common import schemas
from benchmarks.peers.common.actors import Actor
from benchmarks.peers.common.events import TASK_FIELDS, first_values
from benchmarks.peers.common.refusals import Refused
from benchmarks.peers.fast.models import Task, TaskAttempt, add_event
from benchmarks.peers.fast.session import Caller, Session

router = APIRouter(prefix="/v1/tasks")


@router.post("", status_code=201, response_model=schemas.Task)
async def create(
    session: Session, caller: Caller, body: schemas.NewTask, response: Response
) -> Any:
    caller[0].require_writer()
    task = Task(**body.model_dump())
    session.add(task)
    await session.flush()
    changes = first_values(task, TASK_FIELDS)
    changes["metadata"] = (None, task.metadata_)
    add_event(session, caller, "created", task, changes)
    await session.commit()
    response.headers["ETag"] = f'"{task.version}"'
    response.headers["Location"] = f"/v1/tasks/{task.id}"
    return task


@router.post("/claim", response_model=schemas.ClaimedTasks)
async def claim(session: Session, caller: Caller, body: schemas.Claim) -> Any:
    tasks = (await session.scalars(_due(caller[0], body))).all()
    changes = [_claim(task, caller[0], body.lease_seconds) for task in tasks]
    session.add_all(attempt for attempt, _ in changes)
    await session.flush()
    for task, (_, change) in zip(tasks, changes, strict=True):
        add_event(session, caller, "claimed", task, change)
    await session.commit()
    return {"items": tasks}


@router.post("/{key}/complete", response_model=schemas.Task)
async def complete(
    session: Session, caller: Caller, key: UUID, body: schemas.Completion, response: Response
) -> Any:
    task = await session.get(Task, key, with_for_update={"key_share": True})
    if task is None or task.deleted_at is not None:
        raise Refused(404, "not-found")
    if task.lease_token != body.lease_token or str(task.claimed_by_id) != caller[0].id:
        raise Refused(409, "lease-lost")
    now = datetime.now(UTC)
    task.status, task.output, task.completed_at = "completed", body.output, now
    task.lease_token = task.lease_seconds = task.lease_expires_at = None
    await session.execute(
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
    add_event(session, caller, "completed", task, changes)
    await session.commit()
    response.headers["ETag"] = f'"{task.version}"'
    return task


def _due(agent: Actor, given: schemas.Claim) -> Any:
    """The tasks that wait longest, by priority; those that another claim has locked are skipped."""
    queues = agent.claimable(given.queues)
    lanes = [*queues, *(f"{queue}/{agent.id}" for queue in queues)]
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


def _claim(task: Task, agent: Actor, lease_seconds: int) -> tuple[TaskAttempt, dict[str, Any]]:
    """Returns the attempt, and the changes for the event."""
    now, was = datetime.now(UTC), task.started_at
    task.status, task.attempt, task.claimed_by_id = "running", task.attempt + 1, UUID(agent.id)
    task.lease_token, task.lease_seconds, task.started_at = uuid4(), lease_seconds, now
    task.lease_expires_at = now + timedelta(seconds=lease_seconds)
    attempt = TaskAttempt(
        task_id=task.id, number=task.attempt, agent_id=task.claimed_by_id, started_at=now
    )
    return attempt, {
        "status": ("pending", "running"),
        "attempt": (task.attempt - 1, task.attempt),
        "claimed_by_id": (None, task.claimed_by_id),
        "started_at": (was, now),
    }
