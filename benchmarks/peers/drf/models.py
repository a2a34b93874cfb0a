"""The models, on Caseload's tables.

Django updates without RETURNING: what triggers change has to be read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import models
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

from benchmarks.peers.common.events import Changes, event_of


class Row(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7)
    version = models.IntegerField(db_default=1)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        abstract = True
        managed = False


class Customer(Row):
    reference = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    email = models.EmailField(null=True)
    phone = models.CharField(max_length=40, null=True)
    attributes = models.JSONField(default=dict)
    deleted_at = models.DateTimeField(null=True)

    class Meta(Row.Meta):
        db_table = "customers"


class Account(Row):
    currency = models.TextField()

    class Meta(Row.Meta):
        db_table = "accounts"


class Transaction(Row):
    kind = models.TextField()
    description = models.TextField(default="")
    status = models.TextField()
    conversation_id = models.UUIDField(null=True)
    task_id = models.UUIDField(null=True)
    reverses_id = models.UUIDField(null=True)
    reference = models.TextField(null=True)
    expires_at = models.DateTimeField(null=True)
    posted_at = models.DateTimeField(null=True)
    needs_approval = models.BooleanField(default=False)
    approved_by_id = models.UUIDField(null=True)
    created_by_kind = models.TextField()
    created_by_id = models.UUIDField(null=True)
    created_by_name = models.TextField()

    class Meta(Row.Meta):
        db_table = "transactions"


class Entry(models.Model):
    """A trigger sets the id, and moves the balance of the account."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    transaction = models.ForeignKey(Transaction, models.DO_NOTHING)
    account = models.ForeignKey(Account, models.DO_NOTHING)
    currency = models.TextField()
    amount = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = "entries"


class Task(Row):
    kind = models.TextField()
    queue = models.TextField()
    priority = models.SmallIntegerField(default=5)
    agent_id = models.UUIDField(null=True)
    input = models.JSONField(default=dict)
    metadata = models.JSONField(default=dict)
    run_after = models.DateTimeField(db_default=Now())
    max_attempts = models.SmallIntegerField(default=3)
    dedupe_key = models.TextField(null=True)
    conversation_id = models.UUIDField(null=True)
    parent_id = models.UUIDField(null=True)
    status = models.TextField(default="pending")
    attempt = models.IntegerField(default=0)
    cancel_requested = models.BooleanField(default=False)
    claimed_by_id = models.UUIDField(null=True)
    output = models.JSONField(null=True)
    error = models.TextField(null=True)
    progress = models.JSONField(null=True)
    lease_token = models.UUIDField(null=True)
    lease_seconds = models.IntegerField(null=True)
    lease_expires_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True)
    # Django creates no table here: it has to know only that both are computed.
    lane = models.GeneratedField(
        expression=models.F("queue"), output_field=models.TextField(), db_persist=True
    )
    available_at = models.GeneratedField(
        expression=models.F("run_after"), output_field=models.DateTimeField(), db_persist=True
    )

    class Meta(Row.Meta):
        db_table = "tasks"


class TaskAttempt(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7)
    task = models.ForeignKey(Task, models.DO_NOTHING)
    number = models.IntegerField()
    agent_id = models.UUIDField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    outcome = models.TextField(null=True)

    class Meta:
        managed = False
        db_table = "task_attempts"


class Event(models.Model):
    id = models.UUIDField(primary_key=True)
    actor_kind = models.TextField()
    actor_id = models.UUIDField(null=True)
    actor_name = models.TextField()
    action = models.TextField()
    object_type = models.TextField()
    object_id = models.UUIDField()
    object_version = models.IntegerField(null=True)
    changes = models.JSONField()
    request_id = models.TextField(null=True)

    class Meta:
        managed = False
        db_table = "events"


class PersonalValues(models.Model):
    event = models.OneToOneField(Event, models.DO_NOTHING, primary_key=True)
    changes = models.JSONField()

    class Meta:
        managed = False
        db_table = "event_personal_values"


def add_events(request: Any, action: str, changes: Sequence[tuple[Any, Changes]]) -> None:
    """An event of each of these rows."""
    cause = (request.user, request.request_id)
    found = [event_of(cause, action, row, of) for row, of in changes]
    Event.objects.bulk_create([Event(**event) for event, _ in found])
    values = [PersonalValues(event_id=e["id"], changes=of) for e, of in found if of]
    if values:
        PersonalValues.objects.bulk_create(values)
