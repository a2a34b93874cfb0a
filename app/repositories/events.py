"""Events: added and read, never changed. Their personal values can be erased."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Uuid,
    any_,
    bindparam,
    column,
    delete,
    func,
    insert,
    literal,
    select,
    table,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.db import CHANGES_NOTHING, Prepared, Reader, filter_on, filters_on
from app.domain.actors import ADMINS_ONLY
from app.models import Event, PersonalValues

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import Connection

    from app.db import Resource
    from app.db.repository.criteria import Filters
    from app.db.repository.pages import Sorts

_EVENTS, _PERSONAL = Event.__table__, PersonalValues.__table__


class NewEvent(NamedTuple):
    """An event to add.

    `changes` names all changed fields, with None for personal ones, whose values are in `personal`.
    `object_version` is the version after the change; None where the caller does not know it.
    """

    id: UUID
    actor_kind: str
    actor_id: UUID | None
    actor_name: str
    action: str
    object_type: str
    object_id: UUID
    object_version: int | None
    changes: Mapping[str, object]
    personal: Mapping[str, object] | None
    request_id: str | None


_NAMES = [
    "id",
    "actor_kind",
    "actor_id",
    "actor_name",
    "action",
    "object_type",
    "object_id",
    "object_version",
    "changes",
    "request_id",
]
_ROWS = (
    func.jsonb_to_recordset(bindparam("rows", type_=JSONB))
    .table_valued(
        *(column(name, _EVENTS.c[name].type) for name in _NAMES), column("personal", JSONB)
    )
    .render_derived(name="rows", with_types=True)
)


def _add(object_version: ColumnElement[object]) -> Prepared:
    """Adds any number of events, and their personal values, in one statement."""
    columns = {**_ROWS.c, "object_version": object_version}
    events = insert(_EVENTS).from_select(_NAMES, select(*(columns[name] for name in _NAMES)))
    personal = select(_ROWS.c.id, _ROWS.c.personal)
    personal = personal.where(func.jsonb_typeof(_ROWS.c.personal) == "object")
    add = insert(_PERSONAL).from_select(["event_id", "changes"], personal)
    # Nothing loaded can be an event that is new, so nothing has to be expired.
    adding = add.add_cte(events.cte("added")).execution_options(**{CHANGES_NOTHING: True})
    return Prepared(adding)


_ADD = _add(_ROWS.c.object_version)


@lru_cache
def _add_with_version(name: str) -> Prepared:
    """Takes the versions from the table of this name, which the unit of work has changed by now."""
    objects = table(name, column("id", Uuid), column("version"))
    found = select(objects.c.version).where(objects.c.id == _ROWS.c.object_id)
    return _add(func.coalesce(_ROWS.c.object_version, found.scalar_subquery()))


_PERSONAL_CHANGES = (
    select(_PERSONAL.c.changes).where(_PERSONAL.c.event_id == _EVENTS.c.id).scalar_subquery()
)

_OF_OBJECTS = _EVENTS.c.object_id == any_(bindparam("objects", type_=ARRAY(Uuid)))
_ERASE = delete(_PERSONAL).where(_PERSONAL.c.event_id == _EVENTS.c.id, _OF_OBJECTS)
# The function erases values of columns that became PERSONAL after the event was written.
_ERASED = func.erased_changes(_EVENTS.c.object_type, _EVENTS.c.changes, type_=JSONB)
_ERASE_EARLIER = (
    update(_EVENTS).where(_OF_OBJECTS, _EVENTS.c.changes != _ERASED).values(changes=_ERASED)
)


class EventRepository(Reader[Event]):
    model = Event
    filters: Filters = {  # noqa: RUF012 - a declaration, never changed
        **filters_on(
            Event.occurred_at,
            Event.actor_kind,
            Event.actor_id,
            Event.action,
            Event.object_type,
            Event.object_id,
            Event.request_id,
        ),
        "admins_only": filter_on(_EVENTS.c.object_type.in_(ADMINS_ONLY), internal=True),
    }
    sorts: Sorts = {  # noqa: RUF012 - same
        "occurred_at": Event.occurred_at.expression,
        "created_at": Event.occurred_at.expression,
    }

    @property
    def columns(self) -> list[ColumnElement[Any]]:
        """`changes` includes the personal values that are not erased."""
        changes = _EVENTS.c.changes.concat(func.coalesce(_PERSONAL_CHANGES, text("'{}'::jsonb")))
        return [
            *(column for column in _EVENTS.c if column.name not in ("changes", "epoch", "xid")),
            changes.label("changes"),
            literal(1).label("version"),
            _EVENTS.c.occurred_at.label("created_at"),
            _EVENTS.c.occurred_at.label("updated_at"),
        ]

    def add_many(
        self, connection: Connection, model: type[Resource], events: Sequence[NewEvent]
    ) -> None:
        """Add the events of rows of `model`, after the unit of work has changed these rows.

        An event without `object_version` gets the version that its row has now.
        """
        if events:
            known = all(event.object_version is not None for event in events)
            statement = _ADD if known else _add_with_version(model.__tablename__)
            statement.execute(connection, {"rows": [event._asdict() for event in events]})

    def erase(self, connection: Connection, objects: Collection[UUID]) -> int:
        """Erase the personal values in all events of these objects.

        Returns how many events had any.
        """
        bound = {"objects": list(objects)}
        erased = connection.execute(_ERASE, bound).rowcount
        return erased + connection.execute(_ERASE_EARLIER, bound).rowcount
