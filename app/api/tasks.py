"""Work for agents: an agent claims a task, keeps its lease alive and completes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint

from app.api.kit import bodies, context
from app.api.kit.access import allow_callers_of
from app.api.kit.bulk import add_bulk_route
from app.api.kit.contract import answers, lists
from app.api.kit.dumper import Dumper
from app.api.kit.lists import list_response
from app.api.kit.resources import add_delete, add_reads, add_restore, add_update, location_of
from app.api.kit.responses import expected_versions, respond, respond_with
from app.api.schemas.tasks import (
    ClaimedTaskSchema,
    ClaimedTasksSchema,
    ClaimSchema,
    CompletionSchema,
    FailureSchema,
    HeartbeatSchema,
    LeaseSchema,
    ReleaseSchema,
    TaskAttemptSchema,
    TaskSchema,
)
from app.db.listing import format_timestamp
from app.domain.conversations import ConversationMerged
from app.domain.tasks import (
    LeaseLost,
    NewTask,
    OpenSubtasks,
    ParentFinished,
    TaskCycle,
    TaskTooDeep,
)
from app.errors import AlreadyExists, InvalidTransition
from app.services import TaskBatchService, TaskLeaseService, TaskQueueService, TaskService

if TYPE_CHECKING:
    from uuid import UUID

    from flask import Response

blueprint = Blueprint("tasks", __name__)
_new, _dump, _dump_claimed = TaskSchema(), Dumper(TaskSchema), Dumper(ClaimedTaskSchema)
_attempts = Dumper(TaskAttemptSchema)
_claim, _heartbeat, _completion = ClaimSchema(), HeartbeatSchema(), CompletionSchema()
_failure, _release = FailureSchema(), ReleaseSchema()
_PLACE = (ConversationMerged, ParentFinished)

add_reads(blueprint, TaskService, TaskSchema)
add_update(blueprint, TaskService, TaskSchema, (InvalidTransition, TaskCycle, *_PLACE))
add_delete(blueprint, TaskService, TaskSchema, (InvalidTransition,))
add_restore(blueprint, TaskService, TaskSchema, (TaskTooDeep, *_PLACE))
add_bulk_route(blueprint, TaskBatchService, TaskSchema, _PLACE, makes=NewTask)


@blueprint.post("/tasks")
@allow_callers_of(TaskService, "submit")
@answers(TaskSchema, status=(200, 201), body=TaskSchema, problems=_PLACE)
def create() -> Response:
    """Create a task.

    If a pending or running task has this `dedupe_key`, the status is 200 and the response is that
    task.
    """
    task, created = context.service(TaskService).submit(bodies.load_as(NewTask, _new))
    return respond_with(_dump.one(task), 201 if created else 200, location_of("tasks", task.id))


@blueprint.get("/tasks/<id:key>/subtasks")
@allow_callers_of(TaskService, "subtasks", parameters=None)
@lists(TaskSchema, TaskService.repository, within="parent_id")
def list_subtasks(key: UUID) -> Response:
    """List the sub-tasks of a task.

    The oldest is first, unless `sort` says otherwise.
    """
    service = context.service(TaskService)
    return list_response(
        service.repository,
        lambda query, total: service.subtasks(key, query, total=total),
        _dump,
        within="parent_id",
        sort="created_at",
    )


@blueprint.get("/tasks/<id:key>/attempts")
@allow_callers_of(TaskService, "attempts", parameters=None)
@lists(TaskAttemptSchema, TaskService.attempt_repository, within="task_id")
def list_attempts(key: UUID) -> Response:
    """List the attempts of a task.

    Each is one run of the task by an agent; the first is first, unless `sort` says otherwise.
    """
    service = context.service(TaskService)
    return list_response(
        service.attempt_repository,
        lambda query, total: service.attempts(key, query, total=total),
        _attempts,
        within="task_id",
        sort="number",
    )


@blueprint.post("/tasks/claim")
@allow_callers_of(TaskQueueService, "claim")
@answers(ClaimedTasksSchema, body=ClaimSchema)
def claim() -> Response:
    """Claim tasks.

    Returns pending tasks of the agent's queues, which run from now on, each with its `lease_token`.
    The list is empty if there is nothing to do.
    """
    body = bodies.load(_claim, empty_is_object=True)
    return respond({"items": _dump_claimed.many(context.service(TaskQueueService).claim(**body))})


@blueprint.post("/tasks/<id:key>/heartbeat")
@allow_callers_of(TaskLeaseService, "heartbeat")
@answers(LeaseSchema, body=HeartbeatSchema, problems=(LeaseLost,))
def heartbeat(key: UUID) -> Response:
    """Extend the lease of a task.

    An agent sends it while it works. `cancel_requested` says whether it should stop.
    """
    body = bodies.load(_heartbeat)
    renewed = _leases().heartbeat(
        key, body["lease_token"], progress=body.get("progress"), expected=expected_versions()
    )
    ends = renewed["lease_expires_at"]
    return respond(
        {
            "lease_expires_at": None if ends is None else format_timestamp(ends),
            "cancel_requested": renewed["cancel_requested"],
        }
    )


@blueprint.post("/tasks/<id:key>/complete")
@allow_callers_of(TaskLeaseService, "complete")
@answers(TaskSchema, body=CompletionSchema, problems=(LeaseLost, OpenSubtasks))
def complete(key: UUID) -> Response:
    """Complete a task.

    It needs the current `lease_token`, and no open sub-task.
    """
    body = bodies.load(_completion)
    return _answer(
        _leases().complete(key, body["lease_token"], body["output"], expected=expected_versions())
    )


@blueprint.post("/tasks/<id:key>/fail")
@allow_callers_of(TaskLeaseService, "fail")
@answers(TaskSchema, body=FailureSchema, problems=(LeaseLost,))
def fail(key: UUID) -> Response:
    """Report that a task failed.

    It is pending again after a while, unless `retry` is false or it has no attempts left.
    """
    body = bodies.load(_failure)
    retry = body.get("retry", True)
    return _answer(
        _leases().fail(
            key, body["lease_token"], body["error"], retry=retry, expected=expected_versions()
        )
    )


@blueprint.post("/tasks/<id:key>/release")
@allow_callers_of(TaskLeaseService, "release")
@answers(TaskSchema, body=ReleaseSchema, problems=(LeaseLost,))
def release(key: UUID) -> Response:
    """Give a task back.

    It is pending again at once, for any agent that may claim it.
    """
    token = bodies.load(_release)["lease_token"]
    return _answer(_leases().release(key, token, expected=expected_versions()))


@blueprint.post("/tasks/<id:key>/cancel")
@allow_callers_of(TaskService, "cancel")
@answers(TaskSchema, problems=(InvalidTransition,))
def cancel(key: UUID) -> Response:
    """Cancel a task.

    A pending task is cancelled at once, with its sub-tasks. The agent of a running task learns it
    from its next heartbeat.
    """
    bodies.load_nothing()
    return _answer(context.service(TaskService).cancel(key, expected=expected_versions()))


@blueprint.post("/tasks/<id:key>/requeue")
@allow_callers_of(TaskService, "requeue")
@answers(TaskSchema, problems=(InvalidTransition, ParentFinished, AlreadyExists))
def requeue(key: UUID) -> Response:
    """Queue a failed or cancelled task again.

    It is pending again, with all of its attempts.
    """
    bodies.load_nothing()
    return _answer(context.service(TaskService).requeue(key, expected=expected_versions()))


def _leases() -> TaskLeaseService:
    return context.service(TaskLeaseService)


def _answer(task: Any) -> Response:
    return respond_with(_dump.one(task))
