from __future__ import annotations

from marshmallow import fields

from app.api.kit.fields import Choice, Id, Integer, Nested, Reference, Text, Texts, Timestamp
from app.api.kit.schemas import DeletableSchema, StrictSchema
from app.api.schemas.messages import FirstMessageSchema, LastMessageSchema
from app.api.schemas.tasks import FirstTaskSchema, TaskOfConversationSchema
from app.api.schemas.transactions import RefundSchema
from app.domain.conversations import Channel, ConversationStatus, Priority

_MOST_TAGS = 50


class ConversationSchema(DeletableSchema):
    numbered_by = "last_seq"

    number = Integer(dump_only=True)
    customer_id = Reference("customers", required=True)
    subject = Text(longest=500, required=True)
    channel = Choice(Channel, required=True)
    priority = Choice(Priority)
    tags = Texts(most=_MOST_TAGS, longest=64)
    assignee_id = Reference("agents", allow_none=True)
    assignment_reason = fields.String(dump_only=True, allow_none=True)
    status = Choice(ConversationStatus, dump_only=True)
    status_changed_at = Timestamp(dump_only=True)
    snoozed_until = Timestamp(dump_only=True, allow_none=True)
    first_response_due_at = Timestamp(dump_only=True, allow_none=True)
    first_responded_at = Timestamp(dump_only=True, allow_none=True)
    resolution_due_at = Timestamp(dump_only=True, allow_none=True)
    merged_into_id = Reference("conversations", dump_only=True, allow_none=True)


class NewConversationSchema(ConversationSchema):
    message = Nested(FirstMessageSchema, load_only=True)
    task = Nested(FirstTaskSchema, load_only=True)


class ConversationPatchSchema(ConversationSchema):
    """Its messages were delivered through the channel, which stays what it was."""

    channel = Choice(Channel, dump_only=True)


class AssignmentSchema(StrictSchema):
    agent_id = Id(required=True, allow_none=True)
    reason = Text(longest=1000, allow_none=True)


class SnoozeSchema(StrictSchema):
    until = Timestamp(required=True)


class ResolutionSchema(StrictSchema):
    message = Nested(LastMessageSchema)
    refund = Nested(RefundSchema)
    complete_task = Nested(TaskOfConversationSchema)


class MergeSchema(StrictSchema):
    into = Id(required=True)
