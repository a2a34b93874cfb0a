from __future__ import annotations

from marshmallow import Schema, fields

from app.api.kit.fields import JSONObject


class ProblemTypeSchema(Schema):
    """What a kind of problem means, and what its client can do."""

    type = fields.String(dump_only=True, attribute="address")
    code = fields.String(dump_only=True)
    status = fields.Integer(dump_only=True)
    title = fields.String(dump_only=True)
    meaning = fields.String(dump_only=True)
    what_to_do = fields.String(dump_only=True)
    example = JSONObject(dump_only=True, attribute="example_body")
