from __future__ import annotations

from marshmallow import Schema, ValidationError

from app.api.kit.components import Component, ComponentField
from app.api.kit.context import settings
from app.api.kit.fields import Boolean, Coded, Integer, JSONObject
from app.api.kit.openapi.filters import in_body
from app.api.kit.schemas import StrictSchema
from app.api.schemas.conversations import AssignmentSchema
from app.services import ConversationBatchService


def _within_limit(value: int) -> None:
    most = settings().max_bulk
    if not 0 <= value <= most:
        raise ValidationError(Coded("range", f"It must be 0 to {most}."))


class ConversationFilters(ComponentField, JSONObject):
    """The list's filters, by their names."""

    requested = responded = Component(
        "ConversationFilters", in_body(ConversationBatchService.repository)
    )


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
