"""The resources as JSON: what clients send, and what they get."""

from __future__ import annotations

from marshmallow import Schema, fields


class _ResourceSchema(Schema):
    id = fields.UUID(dump_only=True)
    version = fields.Integer(dump_only=True)


class BookSchema(_ResourceSchema):
    title = fields.String(required=True)
    isbn = fields.String(required=True)
    copies = fields.Integer(strict=True)


class MemberSchema(_ResourceSchema):
    name = fields.String(required=True)
    email = fields.Email(required=True)


class LoanSchema(_ResourceSchema):
    book_id = fields.UUID(required=True)
    member_id = fields.UUID(required=True)
    due_at = fields.AwareDateTime(dump_only=True)
    returned_at = fields.AwareDateTime(dump_only=True)


class ReservationSchema(_ResourceSchema):
    book_id = fields.UUID(required=True)
    member_id = fields.UUID(required=True)
    ready_at = fields.AwareDateTime(dump_only=True)
