"""The events of many new rows, written by the statement that inserts the rows.

They are those that `EventRepository.add_many` writes, but neither the values nor the events are
made in Python.
"""

from __future__ import annotations

from functools import cache, partial, reduce
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    DateTime,
    Integer,
    Text,
    Uuid,
    bindparam,
    case,
    column,
    func,
    insert,
    literal_column,
    null,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.db import JSONObject
from app.db.repository.inserts import Along
from app.models import Event, PersonalValues
from app.models.types import MinorUnits
from app.repositories.event_fields import fields_in_events, shown_as

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import CTE, ColumnElement, Insert

    from app.db import Resource

    JSONValue = ColumnElement[Any]

_EVENTS, _PERSONAL = Event.__table__, PersonalValues.__table__
_EMPTY: JSONValue = literal_column("'{}'::jsonb", JSONB)
_AS_THEY_ARE = (Text, Integer, BigInteger, Boolean, Uuid, ARRAY, MinorUnits)
_IDS = (
    func.jsonb_to_recordset(bindparam("event_ids", type_=JSONB))
    .table_valued(column("object_id", Uuid), column("id", Uuid))
    .render_derived(name="event_ids", with_types=True)
)


class Creation(NamedTuple):
    """Who creates the rows, in which request, and the id of each row's event by the row's id."""

    actor_kind: str
    actor_id: UUID | None
    actor_name: str
    request_id: str | None
    event_ids: Mapping[UUID, UUID]


def events_along(model: type[Resource], creation: Creation) -> Along:
    """The events of new rows of the model, for `insert_many`; their keys are given."""
    ids = [{"object_id": key, "id": event} for key, event in creation.event_ids.items()]
    return Along(_inserts(model), {**creation._asdict(), "event_ids": ids})


@cache
def _inserts(model: type[Resource]) -> Callable[[CTE], Sequence[Insert]]:
    """One function for each model: the statement is kept by it."""
    return partial(_events_and_personal_values, model)


def _events_and_personal_values(model: type[Resource], rows: CTE) -> list[Insert]:
    of_row = rows.join(_IDS, _IDS.c.object_id == rows.c.id)
    values = {
        "id": _IDS.c.id,
        **{
            name: bindparam(name, type_=_EVENTS.c[name].type)
            for name in ("actor_kind", "actor_id", "actor_name", "request_id")
        },
        "action": literal_column("'created'"),
        "object_type": literal_column(f"'{model.__tablename__}'"),
        "object_id": rows.c.id,
        "object_version": rows.c.version,
        "changes": _changes(model, rows),
    }
    events = select(*values.values()).select_from(of_row).order_by(_IDS.c.id)
    inserts = [insert(_EVENTS).from_select([*values], events, include_defaults=False)]
    if any((how := shown_as(model, name)) and how.is_personal for name in fields_in_events(model)):
        personal = _changes(model, rows, of_personal=True)
        given = select(_IDS.c.id, personal).select_from(of_row).where(personal != _EMPTY)
        inserts.append(insert(_PERSONAL).from_select(["event_id", "changes"], given))
    return inserts


def _changes(model: type[Resource], rows: CTE, *, of_personal: bool = False) -> JSONValue:
    """The first values that an event shows, or the personal ones, whose names the event shows."""
    parts = [_EMPTY]
    for name in fields_in_events(model):
        how = shown_as(model, name)
        if how is None or (of_personal and not how.is_personal):
            continue
        value = rows.c[name]
        is_hidden = how.is_personal and not of_personal
        change = null() if is_hidden else _object("before", null(), "after", _as_json(value))
        part = _object(how.label, change)
        is_given = value.is_not(None)
        is_optional = model.__table__.c[name].nullable
        parts.append(case((is_given, part), else_=_EMPTY) if is_optional else part)
    return reduce(lambda one, other: one.concat(other), parts)


def _object(*names_and_values: Any) -> JSONValue:
    given = (literal_column(f"'{v}'") if isinstance(v, str) else v for v in names_and_values)
    return func.jsonb_build_object(*given, type_=JSONB)


def _as_json(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """As orjson writes it; raises TypeError for a type of which that is not known."""
    if isinstance(value.type, JSONObject | JSONB):
        return value
    if isinstance(value.type, DateTime) and value.type.timezone:
        written = func.to_char(func.timezone("UTC", value), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        return func.to_jsonb(func.replace(written, ".000000", ""))
    if isinstance(value.type, _AS_THEY_ARE):
        return func.to_jsonb(value)
    raise TypeError(f"How events show {value} is not known: {value.type!r}.")
