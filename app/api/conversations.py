from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

from app.api import bodies, context
from app.api.access import READERS, READERS_AND_AGENTS, WRITERS, allow
from app.api.contract import answers, lists
from app.api.dumper import Dumper
from app.api.lists import list_of
from app.api.resources import add_routes, location_of
from app.api.responses import expected_versions, respond_with
from app.api.schemas.conversations import (
    AssignmentSchema,
    ConversationPatchSchema,
    ConversationSchema,
    MergeSchema,
    NewConversationSchema,
    ResolutionSchema,
    SnoozeSchema,
)
from app.api.transactions import CREATE
from app.errors import (
    AlreadyExists,
    ConversationMerged,
    CustomerMismatch,
    ExternalIdReused,
    InvalidTransition,
    LeaseLost,
    MergeIntoItself,
    OpenSubtasks,
)
from app.services import ConversationLifecycle, ConversationMerger, ConversationService

if TYPE_CHECKING:
    from uuid import UUID

    from flask import Response

    from app.models import Conversation

blueprint = Blueprint("conversations", __name__)
_dump = Dumper(ConversationSchema)
_new, _assignment, _snooze = NewConversationSchema(), AssignmentSchema(), SnoozeSchema()
_resolution, _merge = ResolutionSchema(), MergeSchema()
_OPEN = (AlreadyExists, ExternalIdReused)
_ACTION = (InvalidTransition,)
_RESOLVE = (ExternalIdReused, InvalidTransition, LeaseLost, OpenSubtasks, *CREATE)
_MERGE = (InvalidTransition, MergeIntoItself, CustomerMismatch, ConversationMerged)

add_routes(
    blueprint,
    ConversationService,
    ConversationSchema,
    patch=ConversationPatchSchema,
    read=READERS_AND_AGENTS,
    list_=READERS,
    write=WRITERS,
    only=("list", "read", "update", "delete", "restore"),
    problems={"update": (InvalidTransition,)},
)


@blueprint.get("/customers/<id:key>/conversations")
@allow(READERS, None)
@lists(ConversationSchema, ConversationService.repository, within="customer_id")
def list_of_customer(key: UUID) -> Response:
    service = context.service(ConversationService)
    return list_of(
        service.repository,
        lambda query, total: service.of_customer(key, query, total=total),
        _dump,
        within="customer_id",
    )


@blueprint.post("/conversations")
@allow(WRITERS)
@answers(ConversationSchema, status=(200, 201), body=NewConversationSchema, problems=_OPEN)
def open_conversation() -> Response:
    """201, or 200 with the conversation to which its first message was delivered before."""
    values = bodies.load(_new)
    message, task = values.pop("message", None), values.pop("task", None)
    conversation, created = _lifecycle().open(values, message=message, task=task)
    location = location_of("conversations", conversation.id)
    return respond_with(_dump.one(conversation), 201 if created else 200, location)


@blueprint.post("/conversations/<id:key>/assign")
@allow(WRITERS)
@answers(ConversationSchema, body=AssignmentSchema, problems=_ACTION)
def assign(key: UUID) -> Response:
    body = bodies.load(_assignment)
    return _answer(
        _lifecycle().assign(
            key, body["agent_id"], reason=body.get("reason"), expected=expected_versions()
        )
    )


@blueprint.post("/conversations/<id:key>/snooze")
@allow(WRITERS)
@answers(ConversationSchema, body=SnoozeSchema, problems=_ACTION)
def snooze(key: UUID) -> Response:
    until = bodies.load(_snooze)["until"]
    return _answer(_lifecycle().snooze(key, until, expected=expected_versions()))


@blueprint.post("/conversations/<id:key>/resolve")
@allow(WRITERS)
@answers(ConversationSchema, body=ResolutionSchema, problems=_RESOLVE)
def resolve(key: UUID) -> Response:
    body = bodies.load(_resolution, empty_is_object=True)
    return _answer(_lifecycle().resolve(key, **body, expected=expected_versions()))


@blueprint.post("/conversations/<id:key>/reopen")
@allow(WRITERS)
@answers(ConversationSchema, problems=_ACTION)
def reopen(key: UUID) -> Response:
    bodies.load_nothing()
    return _answer(_lifecycle().reopen(key, expected=expected_versions()))


@blueprint.post("/conversations/<id:key>/close")
@allow(WRITERS)
@answers(ConversationSchema, problems=_ACTION)
def close(key: UUID) -> Response:
    bodies.load_nothing()
    return _answer(_lifecycle().close(key, expected=expected_versions()))


@blueprint.post("/conversations/<id:key>/merge")
@allow(WRITERS)
@answers(ConversationSchema, body=MergeSchema, problems=_MERGE)
def merge(key: UUID) -> Response:
    """Answers the conversation that it was merged into."""
    into = bodies.load(_merge)["into"]
    return _answer(
        context.service(ConversationMerger).merge(key, into, expected=expected_versions())
    )


def _lifecycle() -> ConversationLifecycle:
    return context.service(ConversationLifecycle)


def _answer(conversation: Conversation) -> Response:
    return respond_with(_dump.one(conversation))
