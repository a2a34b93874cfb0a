"""The schemas, in marshmallow."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from benchmarks.peers.common.cursors import LIMIT
from benchmarks.peers.common.events import timestamp
from benchmarks.peers.common.money import AMOUNT, CURRENCIES, KINDS, minor_units


class Timestamp(fields.DateTime):
    """With `Z` for UTC."""

    def _serialize(self, value: Any, *_: Any, **__: Any) -> str | None:
        return None if value is None else timestamp(value)


class RowSchema(Schema):
    id = fields.UUID(dump_only=True)
    version = fields.Integer(dump_only=True)
    created_at = Timestamp(dump_only=True)
    updated_at = Timestamp(dump_only=True)


class CustomerSchema(RowSchema):
    reference = fields.String(required=True, validate=validate.Length(1, 64))
    name = fields.String(required=True, validate=validate.Length(1, 200))
    email = fields.Email(allow_none=True, validate=validate.Length(3, 254))
    phone = fields.String(allow_none=True, validate=validate.Length(1, 40))
    attributes = fields.Dict(keys=fields.String())


class CustomersSchema(Schema):
    items = fields.List(fields.Nested(CustomerSchema), required=True)
    next_cursor = fields.String(dump_only=True, allow_none=True)


class NewCustomersSchema(Schema):
    items = fields.List(
        fields.Nested(CustomerSchema), required=True, validate=validate.Length(1, 1000)
    )


class PageSchema(Schema):
    limit = fields.Integer(load_default=LIMIT, validate=validate.Range(1, 100))
    cursor = fields.String(load_default=None)


class MoneySchema(Schema):
    amount = fields.String(required=True, validate=validate.Regexp(AMOUNT))
    currency = fields.String(required=True, validate=validate.OneOf(CURRENCIES))


class EntrySchema(Schema):
    account_id = fields.UUID(required=True)
    amount = fields.Nested(MoneySchema, required=True)


class ActorSchema(Schema):
    type = fields.String()
    id = fields.UUID()
    name = fields.String()


class TransactionSchema(RowSchema):
    kind = fields.String(required=True, validate=validate.OneOf(KINDS))
    description = fields.String(load_default="", validate=validate.Length(max=500))
    entries = fields.List(
        fields.Nested(EntrySchema), required=True, validate=validate.Length(2, 100)
    )
    reference = fields.String(dump_only=True)
    conversation_id = fields.UUID(dump_only=True)
    task_id = fields.UUID(dump_only=True)
    expires_at = Timestamp(dump_only=True)
    status = fields.String(dump_only=True)
    posted_at = Timestamp(dump_only=True)
    reverses_id = fields.UUID(dump_only=True)
    reversed_by_id = fields.UUID(dump_only=True)
    needs_approval = fields.Boolean(dump_only=True)
    approved_by_id = fields.UUID(dump_only=True)
    created_by = fields.Nested(ActorSchema, dump_only=True)

    @validates_schema
    def check_balance(self, data: Any, **_: Any) -> None:
        """The entries sum to zero."""
        if sum(minor_units(entry["amount"]["amount"]) for entry in data["entries"]):
            raise ValidationError("They do not sum to zero.", "entries")


class TaskSchema(RowSchema):
    kind = fields.String(required=True, validate=validate.Length(1, 64))
    queue = fields.String(required=True, validate=validate.Regexp(r"^[a-z0-9][a-z0-9._-]{0,63}$"))
    priority = fields.Integer(strict=True, validate=validate.Range(0, 9))
    agent_id = fields.UUID(dump_only=True)
    input = fields.Dict(keys=fields.String())
    metadata = fields.Dict(keys=fields.String(), attribute="metadata_")
    run_after = Timestamp(dump_only=True)
    max_attempts = fields.Integer(strict=True, validate=validate.Range(1, 100))
    dedupe_key = fields.String(dump_only=True)
    conversation_id = fields.UUID(dump_only=True)
    parent_id = fields.UUID(dump_only=True)
    status = fields.String(dump_only=True)
    attempt = fields.Integer(dump_only=True)
    cancel_requested = fields.Boolean(dump_only=True)
    claimed_by_id = fields.UUID(dump_only=True)
    output = fields.Raw(dump_only=True)
    error = fields.String(dump_only=True)
    progress = fields.Raw(dump_only=True)
    lease_expires_at = Timestamp(dump_only=True)
    started_at = Timestamp(dump_only=True)
    completed_at = Timestamp(dump_only=True)


class ClaimedTaskSchema(TaskSchema):
    lease_token = fields.UUID(dump_only=True)


class ClaimedTasksSchema(Schema):
    items = fields.List(fields.Nested(ClaimedTaskSchema))


class ClaimSchema(Schema):
    queues = fields.List(fields.String(), load_default=None)
    limit = fields.Integer(strict=True, load_default=1, validate=validate.Range(1, 100))
    lease_seconds = fields.Integer(strict=True, load_default=60, validate=validate.Range(1, 86_400))


class CompletionSchema(Schema):
    lease_token = fields.UUID(required=True)
    output = fields.Raw(required=True, allow_none=True)
