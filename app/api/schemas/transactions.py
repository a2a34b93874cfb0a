from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields

from app.api.kit.fields import (
    Actor,
    Boolean,
    Choice,
    Coded,
    Id,
    Messages,
    Nested,
    Reference,
    Text,
    Timestamp,
)
from app.api.kit.schemas import ResourceSchema, StrictSchema
from app.api.schemas.money import Money
from app.domain.transactions import (
    KINDS_TO_CHOOSE,
    LEAST_ENTRIES,
    MOST_ENTRIES,
    Leg,
    TransactionKind,
    TransactionStatus,
)

_LIST: Messages = {
    "invalid": Coded("type", "It has the wrong type."),
    "required": Coded("required", "It is required."),
    "null": Coded("null", "It must not be null."),
}


class EntrySchema(StrictSchema):
    account_id = Id(required=True)
    amount = Money(required=True)


class Entries(fields.List[Any]):
    """The domain counts them too; here too many are refused before each is looked at."""

    def __init__(self) -> None:
        bounds = {"minItems": LEAST_ENTRIES, "maxItems": MOST_ENTRIES}
        entry = Nested(EntrySchema, Leg)
        super().__init__(entry, required=True, error_messages=_LIST, metadata=bounds)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> list[Any]:
        if isinstance(value, list) and len(value) > MOST_ENTRIES:
            detail = f"It must have {LEAST_ENTRIES} to {MOST_ENTRIES} items."
            raise ValidationError(Coded("length", detail))
        return super()._deserialize(value, *args, **kwargs)


class TransactionSchema(ResourceSchema):
    kind = Choice(KINDS_TO_CHOOSE, answered=TransactionKind)
    description = Text(longest=500)
    entries = Entries()
    pending = Boolean(load_only=True)
    reference = Text(longest=255, allow_none=True)
    conversation_id = Reference("conversations", allow_none=True)
    task_id = Reference("tasks", allow_none=True)
    expires_at = Timestamp(allow_none=True)
    status = Choice(TransactionStatus, dump_only=True)
    posted_at = Timestamp(dump_only=True, allow_none=True)
    reverses_id = Reference("transactions", dump_only=True, allow_none=True)
    reversed_by_id = Reference("transactions", dump_only=True, allow_none=True)
    needs_approval = Boolean(dump_only=True)
    approved_by_id = Reference("users", dump_only=True, allow_none=True)
    created_by = Actor("created_by")


class RefundSchema(StrictSchema):
    """The refund with which a conversation is resolved."""

    description = Text(longest=500)
    entries = Entries()
    reference = Text(longest=255, allow_none=True)
    task_id = Id(allow_none=True)


class PostingSchema(StrictSchema):
    amount = Money()
