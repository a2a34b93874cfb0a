from __future__ import annotations

from app.api.kit.fields import Actor, Choice, Id, Integer, Reference, Text
from app.api.kit.schemas import ResourceSchema, StrictSchema
from app.domain.conversations import Direction


class MessageSchema(ResourceSchema):
    conversation_id = Reference("conversations", dump_only=True)
    original_conversation_id = Id(dump_only=True, allow_none=True)
    seq = Integer(dump_only=True)
    direction = Choice(Direction, required=True)
    author = Actor("author")
    body = Text(longest=100_000, required=True)
    external_id = Text(longest=255, allow_none=True)


class FirstMessageSchema(StrictSchema):
    """The customer's, unless it says otherwise."""

    direction = Choice(Direction)
    body = Text(longest=100_000, required=True)
    external_id = Text(longest=255, allow_none=True)


class LastMessageSchema(StrictSchema):
    """What the desk says last."""

    body = Text(longest=100_000, required=True)
    external_id = Text(longest=255, allow_none=True)
