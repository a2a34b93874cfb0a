from __future__ import annotations

from marshmallow import fields

from app.api.kit.fields import (
    Choice,
    Id,
    Integer,
    Nested,
    Reference,
    Text,
    Texts,
    Timestamp,
    describe,
)
from app.api.kit.schemas import DeletableSchema, StrictSchema
from app.api.schemas.messages import FirstMessageSchema, LastMessageSchema
from app.api.schemas.tasks import FirstTaskSchema, TaskOfConversationSchema
from app.api.schemas.transactions import RefundSchema
from app.domain.conversations import Channel, ConversationStatus, Priority
from app.domain.messages import NewMessage
from app.domain.tasks import NewTask, TaskCompletion
from app.domain.transactions import Refund

_MOST_TAGS = 50


class ConversationSchema(DeletableSchema):
    numbered_by = "last_seq"

    number = Integer(
        dump_only=True, metadata=describe("The number of the conversation, for people.")
    )
    customer_id = Reference(
        "customers", required=True, metadata=describe("The customer with whom the conversation is.")
    )
    subject = Text(
        longest=500,
        required=True,
        metadata=describe("What the conversation is about.", "A fee that I do not know"),
    )
    channel = Choice(Channel, required=True, metadata=describe("How the customer writes."))
    priority = Choice(Priority, metadata=describe("It decides how soon a response is due."))
    tags = Texts(
        most=_MOST_TAGS, longest=64, metadata=describe("Words to group conversations by.", ["fees"])
    )
    assignee_id = Reference(
        "agents", allow_none=True, metadata=describe("The agent who takes care of it.")
    )
    assignment_reason = fields.String(
        dump_only=True,
        allow_none=True,
        metadata=describe("Why it was assigned to this agent.", "Speaks Spanish"),
    )
    status = Choice(
        ConversationStatus, dump_only=True, metadata=describe("Where the conversation stands.")
    )
    status_changed_at = Timestamp(
        dump_only=True, metadata=describe("When the status last changed.")
    )
    snoozed_until = Timestamp(
        dump_only=True,
        allow_none=True,
        metadata=describe("When a snoozed conversation is open again."),
    )
    first_response_due_at = Timestamp(
        dump_only=True, allow_none=True, metadata=describe("When the first response is due.")
    )
    first_responded_at = Timestamp(
        dump_only=True, allow_none=True, metadata=describe("When the desk first responded.")
    )
    resolution_due_at = Timestamp(
        dump_only=True,
        allow_none=True,
        metadata=describe("When the conversation has to be resolved; null while this clock stops."),
    )
    merged_into_id = Reference(
        "conversations",
        dump_only=True,
        allow_none=True,
        metadata=describe("The conversation into which this one was merged."),
    )


class NewConversationSchema(ConversationSchema):
    message = Nested(
        FirstMessageSchema, NewMessage, load_only=True, metadata=describe("The first message.")
    )
    task = Nested(
        FirstTaskSchema,
        NewTask,
        load_only=True,
        metadata=describe("A task about the conversation."),
    )


class ConversationPatchSchema(ConversationSchema):
    """Its messages were delivered through the channel, which stays what it was."""

    channel = Choice(Channel, dump_only=True)


class AssignmentSchema(StrictSchema):
    agent_id = Id(
        required=True,
        allow_none=True,
        metadata=describe("The agent who takes care of it from now on; null for nobody."),
    )
    reason = Text(
        longest=1000, allow_none=True, metadata=describe("Why this agent.", "Speaks Spanish")
    )


class SnoozeSchema(StrictSchema):
    until = Timestamp(required=True, metadata=describe("When the conversation is open again."))


class ResolutionSchema(StrictSchema):
    message = Nested(
        LastMessageSchema, NewMessage, metadata=describe("A last message to the customer.")
    )
    refund = Nested(
        RefundSchema, Refund, metadata=describe("Money that is moved with the resolution.")
    )
    complete_task = Nested(
        TaskOfConversationSchema,
        TaskCompletion,
        metadata=describe("A running task that is completed with the resolution."),
    )


class MergeSchema(StrictSchema):
    into = Id(required=True, metadata=describe("The conversation that gets the messages."))
