"""Messages of a conversation, in both directions. A message is never changed or deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

from app.api.kit import bodies, context
from app.api.kit.access import allow_callers_of
from app.api.kit.contract import answers, lists
from app.api.kit.dumper import Dumper
from app.api.kit.lists import list_response
from app.api.kit.reads import read_response
from app.api.kit.resources import location_of
from app.api.kit.responses import respond_with
from app.api.kit.selection import SELECTION
from app.api.schemas.messages import MessageSchema
from app.domain.conversations import ConversationMerged
from app.domain.messages import ExternalIdReused, NewMessage
from app.errors import InvalidTransition
from app.services import MessageService

if TYPE_CHECKING:
    from uuid import UUID

    from flask import Response

blueprint = Blueprint("messages", __name__)
_schema, _dump = MessageSchema(), Dumper(MessageSchema)
_POST = (ConversationMerged, ExternalIdReused, InvalidTransition)


@blueprint.get("/conversations/<id:key>/messages")
@allow_callers_of(MessageService, "page", parameters=None)
@lists(MessageSchema, MessageService.messages, within="conversation_id")
def list_messages(key: UUID) -> Response:
    """List the messages of a conversation.

    They are in the order in which they came, unless `sort` says otherwise.
    """
    service = context.service(MessageService)
    return list_response(
        service.messages,
        lambda query, total: service.page(key, query, total=total),
        _dump,
        within="conversation_id",
        sort="seq",
    )


@blueprint.post("/conversations/<id:key>/messages")
@allow_callers_of(MessageService, "post")
@answers(MessageSchema, status=(200, 201), body=MessageSchema, problems=_POST)
def post_message(key: UUID) -> Response:
    """Add a message to a conversation.

    If its `external_id` is known with the same customer, direction and body, the status is 200 and
    the response is that message. If-Match is ignored: a message changes nothing else.
    """
    new = bodies.load_as(NewMessage, _schema)
    message, created = context.service(MessageService).post(key, new)
    location = location_of("messages", message.id)
    return respond_with(_dump.one(message), 201 if created else 200, location)


@blueprint.get("/messages/<id:key>")
@allow_callers_of(MessageService, "get", parameters=SELECTION)
@answers(MessageSchema)
def read_message(key: UUID) -> Response:
    """Read a message.

    Returns the message under its ETag, or 304 if `If-None-Match` has that ETag.
    """
    service = context.service(MessageService)
    return read_response(_dump, lambda: service.get(key))
