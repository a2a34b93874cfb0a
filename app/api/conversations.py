"""Conversations with customers: assign, snooze, resolve, reopen, close and merge them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

from app.api.kit import bodies, context
from app.api.kit.access import allow_callers_of
from app.api.kit.contract import answers, lists
from app.api.kit.dumper import Dumper
from app.api.kit.lists import list_response
from app.api.kit.resources import add_delete, add_reads, add_restore, add_update, location_of
from app.api.kit.responses import expected_states, respond_with
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
from app.domain.conversations import (
    ConversationMerged,
    CustomerMismatch,
    MergeIntoItself,
    NewConversation,
    Resolution,
)
from app.domain.messages import ExternalIdReused
from app.domain.tasks import LeaseLost, OpenSubtasks
from app.errors import AlreadyExists, InvalidTransition
from app.services import (
    ConversationLifecycle,
    ConversationMerger,
    ConversationOpener,
    ConversationResolver,
    ConversationService,
)

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

add_reads(blueprint, ConversationService, ConversationSchema)
add_update(
    blueprint,
    ConversationService,
    ConversationSchema,
    (InvalidTransition,),
    patch=ConversationPatchSchema,
)
add_delete(blueprint, ConversationService, ConversationSchema)
add_restore(blueprint, ConversationService, ConversationSchema)


@blueprint.get("/customers/<id:key>/conversations")
@allow_callers_of(ConversationService, "of_customer", parameters=None)
@lists(ConversationSchema, ConversationService.repository, within="customer_id")
def list_of_customer(key: UUID) -> Response:
    """List the conversations of a customer.

    It takes the filters and sorts of the list of all conversations.
    """
    service = context.service(ConversationService)
    return list_response(
        service.repository,
        lambda query, total: service.of_customer(key, query, total=total),
        _dump,
        within="customer_id",
    )


@blueprint.post("/conversations")
@allow_callers_of(ConversationOpener, "open")
@answers(ConversationSchema, status=(200, 201), body=NewConversationSchema, problems=_OPEN)
def open_conversation() -> Response:
    """Open a conversation.

    Its first `message` and its `task` are created with it, or nothing is. If the message was
    delivered before, the status is 200 and the response is the conversation that has it.
    """
    new = bodies.load_as(NewConversation, _new)
    conversation, created = context.service(ConversationOpener).open(new)
    location = location_of("conversations", conversation.id)
    return _answer(conversation, 201 if created else 200, location)


@blueprint.post("/conversations/<id:key>/assign")
@allow_callers_of(ConversationLifecycle, "assign")
@answers(ConversationSchema, body=AssignmentSchema, problems=_ACTION)
def assign(key: UUID) -> Response:
    """Assign a conversation.

    `agent_id` is the agent who takes care of it from now on; null removes the agent.
    """
    body = bodies.load(_assignment)
    return _answer(
        _lifecycle().assign(
            key, body["agent_id"], reason=body.get("reason"), expected=expected_states()
        )
    )


@blueprint.post("/conversations/<id:key>/snooze")
@allow_callers_of(ConversationLifecycle, "snooze")
@answers(ConversationSchema, body=SnoozeSchema, problems=_ACTION)
def snooze(key: UUID) -> Response:
    """Snooze a conversation.

    It is open again at the time in `until`, or when its customer writes.
    """
    until = bodies.load(_snooze)["until"]
    return _answer(_lifecycle().snooze(key, until, expected=expected_states()))


@blueprint.post("/conversations/<id:key>/resolve")
@allow_callers_of(ConversationResolver, "resolve")
@answers(ConversationSchema, body=ResolutionSchema, problems=_RESOLVE)
def resolve(key: UUID) -> Response:
    """Resolve a conversation.

    A last `message`, a `refund` and the completion of a task are part of it: all of them happen,
    or none.
    """
    resolution = bodies.load_as(Resolution, _resolution, empty_is_object=True)
    resolver = context.service(ConversationResolver)
    return _answer(resolver.resolve(key, resolution, expected=expected_states()))


@blueprint.post("/conversations/<id:key>/reopen")
@allow_callers_of(ConversationLifecycle, "reopen")
@answers(ConversationSchema, problems=_ACTION)
def reopen(key: UUID) -> Response:
    """Reopen a conversation.

    It is open again, and the clock of its resolution goes on.
    """
    bodies.load_nothing()
    return _answer(_lifecycle().reopen(key, expected=expected_states()))


@blueprint.post("/conversations/<id:key>/close")
@allow_callers_of(ConversationLifecycle, "close")
@answers(ConversationSchema, problems=_ACTION)
def close(key: UUID) -> Response:
    """Close a conversation for good.

    A closed conversation is never opened again.
    """
    bodies.load_nothing()
    return _answer(_lifecycle().close(key, expected=expected_states()))


@blueprint.post("/conversations/<id:key>/merge")
@allow_callers_of(ConversationMerger, "merge")
@answers(ConversationSchema, body=MergeSchema, problems=_MERGE)
def merge(key: UUID) -> Response:
    """Merge a conversation into another one of the same customer.

    The messages move to the other conversation, which the response returns. This one is closed.
    """
    into = bodies.load(_merge)["into"]
    return _answer(context.service(ConversationMerger).merge(key, into, expected=expected_states()))


def _lifecycle() -> ConversationLifecycle:
    return context.service(ConversationLifecycle)


def _answer(conversation: Conversation, status: int = 200, location: str | None = None) -> Response:
    number = _dump.number_of(conversation)
    return respond_with(_dump.one(conversation), status, location, number=number)
