"""Hides the personal values of events about deleted rows.

No list and no read shows a deleted row, so its events must not show its personal values either.
They are not erased: after a restore the events show them again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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

    from sqlalchemy import Connection, Table

    from app.db import Record

_EVENTS, _MESSAGES = Event.__table__, Message.__table__
_CONVERSATIONS = Conversation.__table__


def _is_live(table: Table) -> ColumnElement[bool]:
    return exists().where(table.c.id == _EVENTS.c.object_id, table.c.deleted_at.is_(None))


# A message is hidden with its conversation. Other tables without `deleted_at` hide no rows.
_MESSAGE_IS_LIVE = exists().where(
    _MESSAGES.c.id == _EVENTS.c.object_id,
    _CONVERSATIONS.c.id == _MESSAGES.c.conversation_id,
    _CONVERSATIONS.c.deleted_at.is_(None),
)
_OBJECT_IS_LIVE = case(
    *(
        (_EVENTS.c.object_type == table.name, _is_live(table))
        for table in Base.metadata.sorted_tables
        if "deleted_at" in table.c
    ),
    (_EVENTS.c.object_type == _MESSAGES.name, _MESSAGE_IS_LIVE),
    else_=true(),
)
# CASE evaluates the condition of one table per event: 100 events cost 100 look-ups in an index.
_WITHHELD = select(
    _EVENTS.c.id,
    func.erased_changes(
        _EVENTS.c.object_type, _EVENTS.c.changes, type_=_EVENTS.c.changes.type
    ).label("changes"),
).where(_EVENTS.c.id == any_(bindparam("events", type_=ARRAY(Uuid))), ~_OBJECT_IS_LIVE)


def withheld_changes(connection: Connection, events: Iterable[UUID]) -> dict[UUID, Record]:
    """The changes without personal values of those of these events whose row is deleted, by id."""
    rows = connection.execute(_WITHHELD, {"events": list(events)})
    return {row.id: row.changes for row in rows}
