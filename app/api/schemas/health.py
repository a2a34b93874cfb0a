from __future__ import annotations

from marshmallow import Schema, fields


class StatusSchema(Schema):
    status = fields.String(dump_only=True)
