from __future__ import annotations

from typing import Any

from marshmallow import fields, post_load

from app.api.schemas.base import ResourceSchema, StrictSchema
from app.api.schemas.fields import Actor, Boolean, Choice, Coded, Id, Messages, Text, Timestamp
from app.api.schemas.money import Money
from app.domain.transactions import KINDS_TO_CHOOSE, Leg

_LIST: Messages = {
    "invalid": Coded("type", "It has the wrong type."),
    "required": Coded("required", "It is required."),
    "null": Coded("null", "It must not be null."),
}


class EntrySchema(StrictSchema):
    account_id = Id(required=True)
    amount = Money(required=True)

    @post_load
    def _leg(self, values: dict[str, Any], **_: Any) -> Leg:
        return Leg(**values)


def _entries() -> fields.List[Any]:
    return fields.List(fields.Nested(EntrySchema), required=True, error_messages=_LIST)


class TransactionSchema(ResourceSchema):
    kind = Choice(KINDS_TO_CHOOSE)
    description = Text(longest=500)
    entries = _entries()
    pending = Boolean(load_only=True)
    reference = Text(longest=255, allow_none=True)
    conversation_id = Id(allow_none=True)
    task_id = Id(allow_none=True)
    expires_at = Timestamp(allow_none=True)
    status = fields.String(dump_only=True)
    posted_at = Timestamp(dump_only=True)
    reverses_id = Id(dump_only=True)
    reversed_by_id = Id(dump_only=True)
    needs_approval = Boolean(dump_only=True)
    approved_by_id = Id(dump_only=True)
    created_by = Actor("created_by")


class RefundSchema(StrictSchema):
    """The refund with which a conversation is resolved."""

    description = Text(longest=500)
    entries = _entries()
    reference = Text(longest=255, allow_none=True)
    task_id = Id(allow_none=True)


class PostingSchema(StrictSchema):
    amount = Money()
