from __future__ import annotations

from marshmallow import Schema, ValidationError

from app.api.kit.components import Component, ComponentField
from app.api.kit.context import settings
from app.api.kit.fields import Boolean, Integer, JSONObject, describe
from app.api.kit.openapi.filters import in_body
from app.api.kit.schemas import StrictSchema
from app.api.kit.validators import Coded
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

    filter = ConversationFilters(
        required=True,
        metadata=describe(
            "The filters that choose the conversations, as in the list.", {"status": "open"}
        ),
    )
    expected_count = Integer(
        validate=_within_limit,
        metadata=describe("How many conversations the caller expects to fit the filter."),
    )
    dry_run = Boolean(metadata=describe("Whether to count the conversations and change nothing."))


class BulkAssignmentSchema(AssignmentSchema, BulkResolutionSchema):
    """`expected_count` is required unless `dry_run` is true."""


class CountedSchema(Schema):
    """How many conversations there are, or were, to act on."""

    count = Integer(metadata=describe("How many conversations fit the filter."))
    dry_run = Boolean(metadata=describe("Whether they were only counted."))
