"""The fields that the schemas of all resources have in common."""

from __future__ import annotations

from typing import ClassVar

from marshmallow import RAISE, Schema

from app.api.kit.fields import SOMETIMES, Id, Integer, Timestamp, describe
from app.api.kit.validators import Coded

_DELETED_AT = {
    **SOMETIMES,
    **describe("When the row was deleted. Only administrators see it."),
    "examples": [None],
}


class StrictSchema(Schema):
    """Refuses fields that it does not have."""

    error_messages: dict[str, str] = {  # noqa: RUF012 - marshmallow declares it so
        "unknown": Coded("unknown-field", "There is no such field."),
        "type": Coded("type", "It must be an object."),
    }

    class Meta:
        unknown = RAISE


class ResourceSchema(StrictSchema):
    """The fields of every resource.

    `numbered_by` names a column that counts changes which do not raise the version. The ETag has
    it too.
    """

    numbered_by: ClassVar[str | None] = None

    id = Id(dump_only=True, metadata=describe("The id of the row, a UUID of version 7."))
    version = Integer(
        dump_only=True, metadata=describe("It is 1 at first, and every change adds 1. The ETag.")
    )
    created_at = Timestamp(dump_only=True, metadata=describe("When the row was created."))
    updated_at = Timestamp(dump_only=True, metadata=describe("When the row was last changed."))


class DeletableSchema(ResourceSchema):
    """Of a table with `deleted_at`, which only admins are shown."""

    deleted_at = Timestamp(dump_only=True, metadata=_DELETED_AT, allow_none=True)
