"""The actions on all conversations that fit a filter."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from app.api.conversations import blueprint
from app.api.kit import bodies, context
from app.api.kit.access import allow_callers_of
from app.api.kit.contract import answers
from app.api.kit.responses import respond
from app.api.schemas.conversation_batches import (
    BulkAssignmentSchema,
    BulkResolutionSchema,
    CountedSchema,
)
from app.db.errors import Invalid, InvalidCriterion, Mistake
from app.db.listing import parse_filter
from app.db.repository.criteria import check
from app.domain.conversations import BatchAssignment, ConversationBatch, CountMismatch
from app.services import ConversationBatchService

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flask import Response

    from app.db.repository.criteria import Filters

_assignment, _resolution = BulkAssignmentSchema(), BulkResolutionSchema()


@blueprint.post("/conversations/bulk-assign")
@allow_callers_of(ConversationBatchService, "assign")
@answers(CountedSchema, body=BulkAssignmentSchema, problems=(CountMismatch,))
def bulk_assign() -> Response:
    """Assign all conversations that fit a filter.

    All of them are assigned, or none. If there are not `expected_count` of them, none is. With
    `dry_run` they are counted only.
    """
    batch = bodies.load_as(BatchAssignment, _assignment)
    return _answer(batch, _service().assign(replace(batch, filter=_filters(batch))))


@blueprint.post("/conversations/bulk-resolve")
@allow_callers_of(ConversationBatchService, "resolve")
@answers(CountedSchema, body=BulkResolutionSchema, problems=(CountMismatch,))
def bulk_resolve() -> Response:
    """Resolve all conversations that fit a filter.

    All of them are resolved, or none. If there are not `expected_count` of them, none is. With
    `dry_run` they are counted only.
    """
    batch = bodies.load_as(ConversationBatch, _resolution)
    return _answer(batch, _service().resolve(replace(batch, filter=_filters(batch))))


def _service() -> ConversationBatchService:
    return context.service(ConversationBatchService)


def _answer(batch: ConversationBatch, count: int) -> Response:
    return respond({"count": count, "dry_run": batch.dry_run})


def _filters(batch: ConversationBatch) -> dict[str, object]:
    """The filters, parsed as in the query of a list; raises Invalid with every mistake."""
    found: dict[str, object] = {}
    mistakes = list(_read(batch.filter, found))
    if not batch.filter:
        mistakes = [Mistake(("filter",), "length", "It must say which conversations.")]
    if mistakes:
        raise Invalid(mistakes)
    return found


def _read(given: Mapping[str, object], found: dict[str, object]) -> Iterator[Mistake]:
    reader = ConversationBatchService.repository
    for name, value in given.items():
        try:
            if _has_type(reader.filters, name, value):
                text = str(value).lower() if isinstance(value, bool) else str(value)
                found[name] = parse_filter(reader, name, text)
            else:
                yield Mistake(("filter", name), "type", "It has the wrong type.")
        except InvalidCriterion as error:
            yield Mistake(("filter", name), error.code, error.detail)


def _has_type(filters: Filters, name: str, value: object) -> bool:
    """Whether the value is text as in a query, or JSON of the filter's type."""
    field, operator = check(filters, name)
    kind = bool if operator == "is_null" else filters[field].type
    return isinstance(value, str) or (operator != "in" and type(value) is kind in (bool, int))
