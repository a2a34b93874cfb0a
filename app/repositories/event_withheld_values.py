"""The personal values that an event shows no more, because the row it is about is deleted.

A deleted row is in no list and no read, so its name must not be in the events either. After a
restore the event shows it again: nothing is erased.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Uuid,
    any_,
    bindparam,
    case,
    exists,
    func,
    select,
    true,
)

from app.db import Base
from app.models import Conversation, Event, Message

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from sqlalchemy import Connection

_EVENTS, _MESSAGES = Event.__table__, Message.__table__
_CONVERSATIONS = Conversation.__table__


def _is_there(table: Any) -> ColumnElement[bool]:
    return exists().where(table.c.id == _EVENTS.c.object_id, table.c.deleted_at.is_(None))


# Messages are deleted with their conversation. All other rows without `deleted_at` stay.
_MESSAGE_IS_THERE = exists().where(
    _MESSAGES.c.id == _EVENTS.c.object_id,
    _CONVERSATIONS.c.id == _MESSAGES.c.conversation_id,
    _CONVERSATIONS.c.deleted_at.is_(None),
)
_OBJECT_IS_THERE = case(
    *(
        (_EVENTS.c.object_type == table.name, _is_there(table))
        for table in Base.metadata.sorted_tables
        if "deleted_at" in table.c
    ),
    (_EVENTS.c.object_type == _MESSAGES.name, _MESSAGE_IS_THERE),
    else_=true(),
)
# CASE looks at one table per event: a page of 100 costs 100 index look-ups.
_WITHHELD = select(
    _EVENTS.c.id,
    func.erased_changes(
        _EVENTS.c.object_type, _EVENTS.c.changes, type_=_EVENTS.c.changes.type
    ).label("changes"),
).where(_EVENTS.c.id == any_(bindparam("events", type_=ARRAY(Uuid))), ~_OBJECT_IS_THERE)


def withheld_changes(connection: Connection, events: Iterable[UUID]) -> dict[UUID, Any]:
    """The changes of those of these events whose row is deleted, without the personal values."""
    rows = connection.execute(_WITHHELD, {"events": list(events)})
    return {row.id: row.changes for row in rows}
