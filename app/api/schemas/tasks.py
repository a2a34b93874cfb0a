from __future__ import annotations

from marshmallow import Schema, fields

from app.api.kit.fields import (
    Boolean,
    Choice,
    Id,
    Integer,
    JSONObject,
    JSONValue,
    Reference,
    Text,
    Texts,
    Timestamp,
    describe,
)
from app.api.kit.schemas import DeletableSchema, StrictSchema
from app.api.kit.validators import within
from app.domain.agents import MOST_QUEUES, QUEUE
from app.domain.tasks import HIGHEST, LOWEST, Outcome, TaskStatus

_MOST_CLAIMED = 100


class FirstTaskSchema(StrictSchema):
    """The task of a conversation that is about to be opened."""

    kind = Text(
        longest=64, required=True, metadata=describe("What is to be done, for the agent.", "reply")
    )
    queue = Text(
        longest=64,
        required=True,
        pattern=QUEUE,
        metadata=describe("The queue in which it waits.", "mail"),
    )
    priority = Integer(
        validate=within(HIGHEST, LOWEST), metadata=describe("0 is claimed first, 9 last.")
    )
    agent_id = Reference(
        "agents",
        allow_none=True,
        metadata=describe("The only agent that may claim it; null for any."),
    )
    input = JSONObject(metadata=describe("What the agent needs to know."))
    metadata = JSONObject(
        attribute="metadata_", metadata=describe("Whatever the client wants to keep with the task.")
    )
    run_after = Timestamp(metadata=describe("It cannot be claimed before this time."))
    max_attempts = Integer(
        validate=within(1, 100),
        metadata=describe("After so many failed attempts the task has failed."),
    )
    dedupe_key = Text(
        longest=255,
        allow_none=True,
        metadata=describe(
            "Unique among pending and running tasks: a second one is not created.", "refund-7"
        ),
    )


class TaskSchema(FirstTaskSchema, DeletableSchema):
    conversation_id = Reference(
        "conversations",
        allow_none=True,
        metadata=describe("The conversation that the task is about."),
    )
    parent_id = Reference(
        "tasks", allow_none=True, metadata=describe("The task of which this is a part.")
    )
    status = Choice(TaskStatus, dump_only=True, metadata=describe("Where the task stands."))
    attempt = Integer(dump_only=True, metadata=describe("How often the task was claimed."))
    cancel_requested = Boolean(dump_only=True, metadata=describe("Whether the agent should stop."))
    claimed_by_id = Reference(
        "agents",
        dump_only=True,
        allow_none=True,
        metadata=describe("The agent that claimed it last."),
    )
    output = fields.Raw(
        dump_only=True, metadata=describe("What the agent reported when it completed the task.")
    )
    error = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=describe("Why the last attempt failed.", "The mail server did not answer."),
    )
    progress = fields.Raw(
        dump_only=True, metadata=describe("What the agent last reported of its work.")
    )
    lease_expires_at = Timestamp(
        dump_only=True,
        allow_none=True,
        metadata=describe("Until then the agent has to send a heartbeat; null for people."),
    )
    started_at = Timestamp(
        dump_only=True, allow_none=True, metadata=describe("When it was last claimed.")
    )
    completed_at = Timestamp(
        dump_only=True,
        allow_none=True,
        metadata=describe("When it was completed, failed or cancelled."),
    )


class ClaimedTaskSchema(TaskSchema):
    lease_token = Id(dump_only=True, metadata=describe("Proves that the agent holds the task."))


class ClaimedTasksSchema(Schema):
    items = fields.List(
        fields.Nested(ClaimedTaskSchema),
        metadata=describe("The tasks that the agent runs from now on."),
    )


class LeaseSchema(Schema):
    lease_expires_at = Timestamp(
        allow_none=True,
        metadata=describe("Until then the agent has to send the next heartbeat; null for people."),
    )
    cancel_requested = Boolean(metadata=describe("Whether the agent should stop."))


class TaskAttemptSchema(StrictSchema):
    number = Integer(dump_only=True, metadata=describe("1 for the first attempt."))
    agent_id = Id(dump_only=True, metadata=describe("The agent that worked on it."))
    started_at = Timestamp(dump_only=True, metadata=describe("When the attempt began."))
    ended_at = Timestamp(
        dump_only=True,
        allow_none=True,
        metadata=describe("When the attempt ended; null while it runs."),
    )
    outcome = Choice(
        Outcome,
        dump_only=True,
        allow_none=True,
        metadata=describe("How the attempt ended; null while it runs."),
    )
    error = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=describe("Why the attempt failed.", "The mail server did not answer."),
    )


class ClaimSchema(StrictSchema):
    queues = Texts(
        most=MOST_QUEUES,
        longest=64,
        metadata=describe(
            "The queues to claim from; absent for all queues of the agent.", ["mail"]
        ),
    )
    limit = Integer(
        validate=within(1, _MOST_CLAIMED),
        metadata=describe("The largest number of tasks to claim."),
    )
    lease_seconds = Integer(
        validate=within(1, 86_400),
        metadata=describe("How long the agent may work without a heartbeat."),
    )


class _LeaseSchema(StrictSchema):
    # Any text is accepted: one that is no lease token is answered with lease-lost.
    lease_token = Text(
        longest=200,
        required=True,
        metadata={"format": "uuid"} | describe("The `lease_token` from the claim."),
    )


class HeartbeatSchema(_LeaseSchema):
    progress = JSONValue(allow_none=True, metadata=describe("What the agent has done so far."))


class CompletionSchema(_LeaseSchema):
    output = JSONValue(required=True, allow_none=True, metadata=describe("The result of the task."))


class TaskOfConversationSchema(CompletionSchema):
    """A task that is completed with the conversation that it is about."""

    id = Id(required=True, metadata=describe("The id of the task."))
    output = JSONValue(
        allow_none=True, load_default=None, metadata=describe("The result of the task.")
    )


class FailureSchema(_LeaseSchema):
    error = Text(
        longest=10_000,
        required=True,
        metadata=describe("Why the attempt failed.", "The mail server did not answer."),
    )
    retry = Boolean(metadata=describe("False: the task has failed, whatever attempts it has left."))


class ReleaseSchema(_LeaseSchema):
    pass
