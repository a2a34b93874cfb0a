from __future__ import annotations

from typing import Any

from marshmallow import ValidationError

from app.api.kit.actors import Actor
from app.api.kit.fields import (
    Boolean,
    BoundedList,
    Choice,
    Id,
    Nested,
    Reference,
    Text,
    Timestamp,
    describe,
)
from app.api.kit.schemas import ResourceSchema, StrictSchema
from app.api.kit.validators import Coded
from app.api.schemas.money import Money
from app.domain.transactions import (
    KINDS_TO_CHOOSE,
    LEAST_ENTRIES,
    MOST_ENTRIES,
    Leg,
    TransactionKind,
    TransactionStatus,
)

_TAKEN = {
    "account_id": "01a1fcbf-a147-7581-9c60-f6b94e7bf1a1",
    "amount": {"amount": "-12.34", "currency": "GBP"},
}
_GIVEN = {
    "account_id": "01a1fcbf-a147-7581-9c60-f6b94e7bf1a2",
    "amount": {"amount": "12.34", "currency": "GBP"},
}
_ENTRIES = describe("The movements on accounts; they sum to zero per currency.", [_TAKEN, _GIVEN])


class EntrySchema(StrictSchema):
    account_id = Id(required=True, metadata=describe("The account of the entry."))
    amount = Money(
        required=True, metadata=describe("What enters the account; negative for what leaves it.")
    )


class Entries(BoundedList):
    """The domain counts them too; here too many are refused before each is looked at."""

    def __init__(self) -> None:
        bounds = {"minItems": LEAST_ENTRIES, "maxItems": MOST_ENTRIES, **_ENTRIES}
        entry = Nested(EntrySchema, Leg)
        super().__init__(entry, required=True, metadata=bounds)

    def bounded(self, items: list[Any]) -> list[Any]:
        if len(items) > MOST_ENTRIES:
            detail = f"It must have {LEAST_ENTRIES} to {MOST_ENTRIES} items."
            raise ValidationError(Coded("length", detail))
        return items


class TransactionSchema(ResourceSchema):
    kind = Choice(
        KINDS_TO_CHOOSE, answered=TransactionKind, metadata=describe("The kind of transaction.")
    )
    description = Text(
        longest=500, metadata=describe("What the money is for.", "Refund of the monthly fee")
    )
    entries = Entries()
    pending = Boolean(
        load_only=True,
        metadata=describe("Whether to hold the money until the transaction is posted or voided."),
    )
    reference = Text(
        longest=255,
        allow_none=True,
        metadata=describe("The unique name of the transaction in another system.", "refund-7"),
    )
    conversation_id = Reference(
        "conversations", allow_none=True, metadata=describe("The conversation that it is about.")
    )
    task_id = Reference("tasks", allow_none=True, metadata=describe("The task that it is about."))
    expires_at = Timestamp(
        allow_none=True, metadata=describe("When a pending transaction ends by itself.")
    )
    status = Choice(
        TransactionStatus, dump_only=True, metadata=describe("Where the transaction stands.")
    )
    posted_at = Timestamp(
        dump_only=True, allow_none=True, metadata=describe("When the money was moved.")
    )
    reverses_id = Reference(
        "transactions",
        dump_only=True,
        allow_none=True,
        metadata=describe("The transaction that this one reverses."),
    )
    reversed_by_id = Reference(
        "transactions",
        dump_only=True,
        allow_none=True,
        metadata=describe("The transaction that reversed this one."),
    )
    needs_approval = Boolean(
        dump_only=True,
        metadata=describe("Whether another user has to approve it before it is posted."),
    )
    approved_by_id = Reference(
        "users", dump_only=True, allow_none=True, metadata=describe("The user who approved it.")
    )
    created_by = Actor("created_by", "The user or agent that created it.")


class RefundSchema(StrictSchema):
    """The refund with which a conversation is resolved."""

    description = Text(
        longest=500, metadata=describe("What the money is for.", "Refund of the monthly fee")
    )
    entries = Entries()
    reference = Text(
        longest=255,
        allow_none=True,
        metadata=describe("The unique name of the transaction in another system.", "refund-7"),
    )
    task_id = Id(allow_none=True, metadata=describe("The task that it is about."))


class PostingSchema(StrictSchema):
    amount = Money(metadata=describe("The part of the held amount to post; absent for all of it."))
