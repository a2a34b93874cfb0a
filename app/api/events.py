"""The audit trail: who changed which resource, when and how. The feed returns all in order."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from flask import Blueprint, g, request

from app.api.kit import context, parameters
from app.api.kit.access import allow_callers_of
from app.api.kit.context import cursors
from app.api.kit.contract import answers, lists
from app.api.kit.dumper import Dumper
from app.api.kit.json_response import JSONResponse
from app.api.kit.lists import list_response
from app.api.kit.reads import read_response
from app.api.kit.responses import digest, write_page
from app.api.kit.selection import SELECTION
from app.api.schemas.events import EventFeedSchema, EventSchema
from app.db.errors import InvalidCursor
from app.repositories.event_feed import START, Position
from app.services import EventService

if TYPE_CHECKING:
    from flask import Response

    from app.db import Record

blueprint = Blueprint("events", __name__)
_dump = Dumper(EventSchema)


@blueprint.get("/events")
@allow_callers_of(EventService, "page", parameters=None)
@lists(EventSchema, EventService.events)
def list_events() -> Response:
    """List events.

    Returns a page of the events that fit every filter, and the cursor of the next page.
    """
    return list_response(EventService.events, context.service(EventService).page, _dump)


@blueprint.get("/events/<id:key>")
@allow_callers_of(EventService, "get", parameters=SELECTION)
@answers(EventSchema)
def read_event(key: UUID) -> Response:
    """Read an event.

    Returns the event under its ETag, or 304 if `If-None-Match` has that ETag.
    """
    service = context.service(EventService)
    # Erasing or withholding values does not raise the version.
    return read_response(_dump, lambda: service.get(key), lambda event: digest(event["changes"]))


@blueprint.get("/events/feed")
@allow_callers_of(EventService, "feed", parameters=("cursor", "limit"))
@answers(EventFeedSchema, problems=(InvalidCursor,))
def read_feed() -> Response:
    """Read the change feed.

    Returns the events after `cursor` in the order of their transactions; none is left out.
    `next_cursor` is always there: the place from which to read on, now or later.
    """
    limits = context.settings()
    limit, most = parameters.limit(limits), limits.max_answer
    after = _position(g.parameters["cursor"]) if "cursor" in g.parameters else START
    events = context.service(EventService).feed(after, limit=limit, most_bytes=most)

    def rest(shown: int) -> Record:
        end = Position.of(events[shown - 1]) if shown else after
        return {"next_cursor": cursors().encode([end.epoch, end.xid, end.id], request.path)}

    page, _ = write_page(_dump.many(events), most, rest)
    return JSONResponse(page)


def _position(cursor: str) -> Position:
    *epoch, xid, key = cursors().decode(cursor, request.path)
    return Position(epoch[0] if epoch else 0, xid, UUID(key))  # the first cursors had no epoch
