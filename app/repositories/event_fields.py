"""Which fields of a row its events show, and how, by the marks of the columns."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import inspect

from app.db import JSONObject
from app.db.marks import BOOKKEEPING, INTERNAL, SECRET
from app.models.base import PERSONAL, UNRECORDED

if TYPE_CHECKING:
    from app.db import Resource

_SET_BY_DATABASE = {"id", "version", "created_at", "updated_at", "deleted_at"}
_IN_NO_EVENT = {BOOKKEEPING, INTERNAL, SECRET, UNRECORDED}


class Shown(NamedTuple):
    """How events show the changes of a field."""

    label: str
    is_json: bool
    is_personal: bool


@lru_cache(maxsize=2048)
def shown_as(model: type[Resource], name: str) -> Shown | None:
    """None where no event shows the field; a name need not be a column's."""
    column = model.__table__.c.get(name)
    if column is None:
        return Shown(name, is_json=False, is_personal=False)
    if not _IN_NO_EVENT.isdisjoint(column.info):
        return None
    is_json = isinstance(column.type, JSONObject)
    return Shown(str(column.name), is_json, PERSONAL in column.info)


@lru_cache(maxsize=256)
def fields_in_events(model: type[Resource]) -> tuple[str, ...]:
    """The fields whose changes events show, in the order of the columns."""
    named = (column.key for column in inspect(model).columns)
    return tuple(n for n in named if n not in _SET_BY_DATABASE and shown_as(model, n) is not None)
