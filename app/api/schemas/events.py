from __future__ import annotations

from marshmallow import Schema, fields

from app.api.kit.actors import Actor
from app.api.kit.fields import Id, Integer, JSONObject, Text, Timestamp, describe
from app.api.kit.openapi.examples import CURSOR
from app.api.kit.schemas import ResourceSchema


class EventSchema(ResourceSchema):
    occurred_at = Timestamp(dump_only=True, metadata=describe("When the change was made."))
    actor = Actor("actor", "The user, the agent or the system that made the change.")
    action = Text(longest=64, dump_only=True, metadata=describe("What was done.", "updated"))
    object_type = Text(
        longest=64,
        dump_only=True,
        metadata=describe("The kind of the changed resource.", "customers"),
    )
    object_id = Id(dump_only=True, metadata=describe("The id of the changed resource."))
    object_version = Integer(
        dump_only=True,
        allow_none=True,
        metadata=describe("The version of the resource after the change."),
    )
    changes = JSONObject(
        dump_only=True,
        metadata=describe("By field, its value before and after. Erased values are null."),
    )
    request_id = Text(
        longest=64,
        dump_only=True,
        allow_none=True,
        metadata=describe(
            "The X-Request-Id of the request that made the change.",
            "01a1fcc00f1974d8a582dd68f4ddab95",
        ),
    )


class EventFeedSchema(Schema):
    items = fields.List(
        fields.Nested(EventSchema),
        metadata=describe("The events, in the order of their transactions."),
    )
    next_cursor = fields.String(
        metadata=describe("The `cursor` for the events after these, now or later.", CURSOR)
    )
