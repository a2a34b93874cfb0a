from __future__ import annotations

from app.api.kit.actors import Actor
from app.api.kit.fields import Choice, Id, Integer, Reference, Text, describe
from app.api.kit.schemas import ResourceSchema, StrictSchema
from app.domain.messages import Direction


class MessageSchema(ResourceSchema):
    conversation_id = Reference(
        "conversations", dump_only=True, metadata=describe("The conversation of the message.")
    )
    original_conversation_id = Id(
        dump_only=True,
        allow_none=True,
        metadata=describe("The conversation in which it was written, if that was merged."),
    )
    seq = Integer(
        dump_only=True,
        metadata=describe("The position of the message in its conversation, from 1."),
    )
    direction = Choice(
        Direction,
        required=True,
        metadata=describe("From the customer, to the customer, or a note of the desk."),
    )
    author = Actor("author", "The user, the agent or the customer who wrote it.")
    body = Text(
        longest=100_000,
        required=True,
        metadata=describe("The text of the message.", "Your fee has been refunded."),
    )
    external_id = Text(
        longest=255,
        allow_none=True,
        metadata=describe(
            "The id in the channel. It makes delivery idempotent.", "<7f3a@mail.example>"
        ),
    )


class LastMessageSchema(StrictSchema):
    """What the desk says last."""

    body = Text(
        longest=100_000,
        required=True,
        metadata=describe("The text of the message.", "Your fee has been refunded."),
    )
    external_id = Text(
        longest=255,
        allow_none=True,
        metadata=describe(
            "The id in the channel. It makes delivery idempotent.", "<7f3a@mail.example>"
        ),
    )


class FirstMessageSchema(LastMessageSchema):
    """The customer's, unless it says otherwise."""

    direction = Choice(
        Direction, metadata=describe("From the customer, to the customer, or a note of the desk.")
    )
