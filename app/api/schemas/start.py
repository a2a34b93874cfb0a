from __future__ import annotations

from marshmallow import Schema, fields


class StartSchema(Schema):
    """What this service is, and the paths to go on from `/`."""

    name = fields.String(dump_only=True)
    description = fields.String(dump_only=True)
    documentation = fields.String(dump_only=True)
    openapi = fields.String(dump_only=True)
    api = fields.String(dump_only=True)
    live = fields.String(dump_only=True)
    ready = fields.String(dump_only=True)
    token = fields.String(dump_only=True)
    tour = fields.String(dump_only=True)
