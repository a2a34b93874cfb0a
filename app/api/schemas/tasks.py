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
    within,
)
from app.api.kit.schemas import DeletableSchema, StrictSchema
from app.domain.agents import MOST_QUEUES, QUEUE
from app.domain.tasks import HIGHEST, LOWEST, Outcome, TaskStatus

_MOST_CLAIMED = 100


class FirstTaskSchema(StrictSchema):
    """The task of a conversation that is about to be opened."""

    kind = Text(longest=64, required=True)
    queue = Text(longest=64, required=True, pattern=QUEUE)
    priority = Integer(validate=within(HIGHEST, LOWEST))
    agent_id = Reference("agents", allow_none=True)
    input = JSONObject()
    metadata = JSONObject(attribute="metadata_")
    run_after = Timestamp()
    max_attempts = Integer(validate=within(1, 100))
    dedupe_key = Text(longest=255, allow_none=True)


class TaskSchema(FirstTaskSchema, DeletableSchema):
    conversation_id = Reference("conversations", allow_none=True)
    parent_id = Reference("tasks", allow_none=True)
    status = Choice(TaskStatus, dump_only=True)
    attempt = Integer(dump_only=True)
    cancel_requested = Boolean(dump_only=True)
    claimed_by_id = Reference("agents", dump_only=True, allow_none=True)
    output = fields.Raw(dump_only=True)
    error = fields.String(dump_only=True, allow_none=True)
    progress = fields.Raw(dump_only=True)
    lease_expires_at = Timestamp(dump_only=True, allow_none=True)
    started_at = Timestamp(dump_only=True, allow_none=True)
    completed_at = Timestamp(dump_only=True, allow_none=True)


class ClaimedTaskSchema(TaskSchema):
    lease_token = Id(dump_only=True)


class ClaimedTasksSchema(Schema):
    items = fields.List(fields.Nested(ClaimedTaskSchema))


class LeaseSchema(Schema):
    lease_expires_at = Timestamp(allow_none=True)
    cancel_requested = Boolean()


class TaskAttemptSchema(StrictSchema):
    number = Integer(dump_only=True)
    agent_id = Id(dump_only=True)
    started_at = Timestamp(dump_only=True)
    ended_at = Timestamp(dump_only=True, allow_none=True)
    outcome = Choice(Outcome, dump_only=True, allow_none=True)
    error = fields.String(dump_only=True, allow_none=True)


class ClaimSchema(StrictSchema):
    queues = Texts(most=MOST_QUEUES, longest=64)
    limit = Integer(validate=within(1, _MOST_CLAIMED))
    lease_seconds = Integer(validate=within(1, 86_400))


class _LeaseSchema(StrictSchema):
    # Any other text is of no lease; what a claim answers is sent as it came.
    lease_token = Text(longest=200, required=True, metadata={"format": "uuid"})


class HeartbeatSchema(_LeaseSchema):
    progress = JSONValue(allow_none=True)


class CompletionSchema(_LeaseSchema):
    output = JSONValue(required=True, allow_none=True)


class TaskOfConversationSchema(CompletionSchema):
    """A task that is completed with the conversation that it is about."""

    id = Id(required=True)
    output = JSONValue(allow_none=True, load_default=None)


class FailureSchema(_LeaseSchema):
    error = Text(longest=10_000, required=True)
    retry = Boolean()


class ReleaseSchema(_LeaseSchema):
    pass
