from __future__ import annotations

from typing import ClassVar

from marshmallow import RAISE, Schema

from app.api.kit.fields import SOMETIMES, Coded, Id, Integer, Timestamp


class StrictSchema(Schema):
    """Refuses what it does not know."""

    error_messages: dict[str, str] = {  # noqa: RUF012 - marshmallow declares it so
        "unknown": Coded("unknown-field", "There is no such field."),
        "type": Coded("type", "It must be an object."),
    }

    class Meta:
        unknown = RAISE


class ResourceSchema(StrictSchema):
    """The fields of every resource.

    `numbered_by` names a column that counts what moves no version: the ETag holds its value too.
    """

    numbered_by: ClassVar[str | None] = None

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    created_at = Timestamp(dump_only=True)
    updated_at = Timestamp(dump_only=True)


class DeletableSchema(ResourceSchema):
    """Of a table with `deleted_at`, which only admins are shown."""

    deleted_at = Timestamp(dump_only=True, metadata=SOMETIMES, allow_none=True)
