from __future__ import annotations

from marshmallow import fields

from app.api.kit.fields import Boolean, Choice, Id, Integer, Reference, Text, Timestamp
from app.api.kit.schemas import ResourceSchema, StrictSchema
from app.api.schemas.money import Currency, Money
from app.domain.accounts import AccountStatus
from app.domain.transactions import TransactionKind


class AccountSchema(ResourceSchema):
    customer_id = Reference("customers", allow_none=True)
    name = Text(longest=200, required=True)
    number = fields.String(dump_only=True)
    currency = Currency(required=True)
    overdraft_limit = Money(allow_none=True)
    stores_balance = Boolean()
    status = Choice(AccountStatus, dump_only=True)
    balance = Money(dump_only=True)
    available = Money(dump_only=True)


class AccountPatchSchema(AccountSchema):
    """The rest of an account stays what it was when it was opened."""

    customer_id = Reference("customers", dump_only=True)
    currency = Currency(dump_only=True)
    stores_balance = Boolean(dump_only=True)


class StatementEntrySchema(StrictSchema):
    id = Id(dump_only=True)
    seq = Integer(dump_only=True)
    transaction_id = Id(dump_only=True)
    kind = Choice(TransactionKind, dump_only=True)
    description = fields.String(dump_only=True)
    amount = Money(dump_only=True)
    balance = Money(dump_only=True, allow_none=True)
    created_at = Timestamp(dump_only=True)
