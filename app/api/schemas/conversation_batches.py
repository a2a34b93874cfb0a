from __future__ import annotations

from marshmallow import Schema, ValidationError

from app.api.kit.context import settings
from app.api.kit.fields import Boolean, Coded, Integer, JSONObject
from app.api.kit.schemas import StrictSchema
from app.api.schemas.conversations import AssignmentSchema


def _within_limit(value: int) -> None:
    most = settings().max_bulk
    if not 0 <= value <= most:
        raise ValidationError(Coded("range", f"It must be 0 to {most}."))


class ConversationFilters(JSONObject):
    """The list's filters, by their names."""


class BulkResolutionSchema(StrictSchema):
    """`expected_count` is required unless `dry_run` is true."""

    filter = ConversationFilters(required=True)
    expected_count = Integer(validate=_within_limit)
    dry_run = Boolean()


class BulkAssignmentSchema(AssignmentSchema, BulkResolutionSchema):
    """`expected_count` is required unless `dry_run` is true."""


class CountedSchema(Schema):
    """How many conversations there are, or were, to act on."""

    count = Integer()
    dry_run = Boolean()
