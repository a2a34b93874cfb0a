from __future__ import annotations

from marshmallow import Schema, fields

from app.api.kit.fields import Actor, Id, Integer, JSONObject, Text, Timestamp
from app.api.kit.schemas import ResourceSchema


class EventSchema(ResourceSchema):
    occurred_at = Timestamp(dump_only=True)
    actor = Actor("actor")
    action = Text(longest=64, dump_only=True)
    object_type = Text(longest=64, dump_only=True)
    object_id = Id(dump_only=True)
    object_version = Integer(dump_only=True, allow_none=True)
    changes = JSONObject(dump_only=True)
    request_id = Text(longest=64, dump_only=True, allow_none=True)


class EventFeedSchema(Schema):
    items = fields.List(fields.Nested(EventSchema))
    next_cursor = fields.String()
