from __future__ import annotations

from marshmallow import Schema, fields

from app.api.kit.fields import describe


class StatusSchema(Schema):
    status = fields.String(
        dump_only=True,
        metadata=describe("`ok` for a process that runs, `ready` for one that can work.", "ok"),
    )
