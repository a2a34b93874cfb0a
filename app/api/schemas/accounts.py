from __future__ import annotations

from marshmallow import fields

from app.api.kit.fields import Boolean, Choice, Id, Integer, Reference, Text, Timestamp, describe
from app.api.kit.schemas import ResourceSchema, StrictSchema
from app.api.schemas.money import Currency, Money
from app.domain.accounts import AccountStatus
from app.domain.transactions import TransactionKind


class AccountSchema(ResourceSchema):
    customer_id = Reference(
        "customers",
        allow_none=True,
        metadata=describe("The customer who owns the account; null if the firm does."),
    )
    name = Text(longest=200, required=True, metadata=describe("The name of the account.", "Main"))
    number = fields.String(
        dump_only=True,
        metadata=describe("The number of the account, which the service assigns.", "100000000145"),
    )
    currency = Currency(
        required=True, metadata=describe("The currency of the account, which never changes.", "GBP")
    )
    overdraft_limit = Money(
        allow_none=True,
        metadata=describe("How far below zero the balance may fall; null: without a limit."),
    )
    stores_balance = Boolean(
        metadata=describe(
            "Whether the balance is stored with the account, or summed up when it is read."
        )
    )
    status = Choice(
        AccountStatus, dump_only=True, metadata=describe("Open, frozen, or closed for good.")
    )
    balance = Money(dump_only=True, metadata=describe("The sum of all posted entries."))
    available = Money(
        dump_only=True,
        metadata=describe("The balance without the money that pending transactions hold."),
    )


class AccountPatchSchema(AccountSchema):
    """The rest of an account stays what it was when it was opened."""

    customer_id = Reference("customers", dump_only=True)
    currency = Currency(dump_only=True)
    stores_balance = Boolean(dump_only=True)


class StatementEntrySchema(StrictSchema):
    id = Id(dump_only=True, metadata=describe("The id of the entry."))
    seq = Integer(dump_only=True, metadata=describe("The position of the entry in the ledger."))
    transaction_id = Id(dump_only=True, metadata=describe("The transaction of the entry."))
    kind = Choice(
        TransactionKind, dump_only=True, metadata=describe("The kind of the transaction.")
    )
    description = fields.String(
        dump_only=True,
        metadata=describe("The description of the transaction.", "Refund of the monthly fee"),
    )
    amount = Money(dump_only=True, metadata=describe("What came in; negative for what went out."))
    balance = Money(
        dump_only=True,
        allow_none=True,
        metadata=describe("The balance after the entry; null if the account does not store it."),
    )
    created_at = Timestamp(dump_only=True, metadata=describe("When the entry was posted."))
