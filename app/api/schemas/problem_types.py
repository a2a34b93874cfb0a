from __future__ import annotations

from marshmallow import Schema, fields

from app.api.kit.fields import JSONObject, describe


class ProblemTypeSchema(Schema):
    """What a kind of problem means, and what its client can do."""

    type = fields.String(
        dump_only=True,
        attribute="address",
        metadata=describe("The `type` of a problem of this kind.", "/problems/not-found"),
    )
    code = fields.String(
        dump_only=True, metadata=describe("The last part of `type`, for programs.", "not-found")
    )
    status = fields.Integer(dump_only=True, metadata=describe("The status of the response.", 404))
    title = fields.String(
        dump_only=True, metadata=describe("The kind of problem in words.", "Not found")
    )
    meaning = fields.String(
        dump_only=True, metadata=describe("When this problem occurs.", "Nothing is at this path.")
    )
    what_to_do = fields.String(
        dump_only=True, metadata=describe("What the client can do.", "Check the path and the id.")
    )
    example = JSONObject(
        dump_only=True,
        attribute="example_body",
        metadata=describe("A problem of this kind, as a response has it."),
    )
