from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models.functions import Now
from rest_framework.response import Response
from rest_framework.views import APIView

from benchmarks.peers.common.events import TASK_FIELDS, first_values
from benchmarks.peers.common.refusals import Refused
from benchmarks.peers.drf.models import Task, TaskAttempt, add_events
from benchmarks.peers.drf.serializers import (
    ClaimedTaskSerializer,
    ClaimSerializer,
    CompletionSerializer,
    TaskSerializer,
    load,
)

if TYPE_CHECKING:
    from benchmarks.peers.common.events import Changes

_LEASE = ("status", "lease_token", "lease_seconds", "lease_expires_at")


class Tasks(APIView):
    @transaction.atomic
    def post(self, request: Any) -> Response:
        request.user.require_writer()
        task = Task.objects.create(**load(TaskSerializer, request.data))
        add_events(request, "created", [(task, first_values(task, TASK_FIELDS))])
        headers = {"ETag": f'"{task.version}"', "Location": f"/v1/tasks/{task.id}"}
        return Response(TaskSerializer(task).data, 201, headers=headers)


class Claims(APIView):
    @transaction.atomic
    def post(self, request: Any) -> Response:
        given = load(ClaimSerializer, request.data)
        tasks = list(_due(request.user, given))
        changes = [(task, _claim(task, request.user, given["lease_seconds"])) for task in tasks]
        if changes:
            add_events(request, "claimed", changes)
        return Response({"items": ClaimedTaskSerializer(tasks, many=True).data})


class Completions(APIView):
    @transaction.atomic
    def post(self, request: Any, key: UUID) -> Response:
        given = load(CompletionSerializer, request.data)
        locked = Task.objects.select_for_update(no_key=True)
        task = locked.filter(id=key, deleted_at=None).first()
        if task is None:
            raise Refused(404, "not-found")
        if task.lease_token != given["lease_token"] or str(task.claimed_by_id) != request.user.id:
            raise Refused(409, "lease-lost")
        now = datetime.now(UTC)
        task.status, task.output, task.completed_at = "completed", given["output"], now
        task.lease_token = task.lease_seconds = task.lease_expires_at = None
        _save(task, *_LEASE, "output", "completed_at")
        attempt = TaskAttempt.objects.filter(task=task, number=task.attempt)
        attempt.update(outcome="completed", ended_at=now)
        changes = {
            "status": ("running", "completed"),
            "output": (None, task.output),
            "completed_at": (None, now),
        }
        add_events(request, "completed", [(task, changes)])
        return Response(TaskSerializer(task).data, headers={"ETag": f'"{task.version}"'})


def _due(agent: Any, given: dict[str, Any]) -> Any:
    """The tasks that wait longest, by priority; those that another claim has locked are skipped."""
    queues = agent.claimable(given["queues"])
    lanes = [*queues, *(f"{queue}/{agent.id}" for queue in queues)]
    free = Task.objects.select_for_update(skip_locked=True, no_key=True)
    due = free.filter(lane__in=lanes, status="pending", available_at__lte=Now(), deleted_at=None)
    return due.order_by("priority", "available_at", "id")[: given["limit"]]


def _claim(task: Any, agent: Any, lease_seconds: int) -> Changes:
    """Returns the changes for the event."""
    now, was = datetime.now(UTC), task.started_at
    task.status, task.attempt, task.claimed_by_id = "running", task.attempt + 1, UUID(agent.id)
    task.lease_token, task.lease_seconds, task.started_at = uuid4(), lease_seconds, now
    task.lease_expires_at = now + timedelta(seconds=lease_seconds)
    _save(task, *_LEASE, "attempt", "claimed_by_id", "started_at")
    TaskAttempt.objects.create(
        task=task, number=task.attempt, agent_id=task.claimed_by_id, started_at=now
    )
    return {
        "status": ("pending", "running"),
        "attempt": (task.attempt - 1, task.attempt),
        "claimed_by_id": (None, task.claimed_by_id),
        "started_at": (was, now),
    }


def _save(task: Any, *fields: str) -> None:
    task.save(update_fields=fields)
    task.refresh_from_db(fields=["version", "updated_at"])
