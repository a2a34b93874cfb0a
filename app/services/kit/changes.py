"""The changes of a row, for its event, and the values that a merge patch leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.db import JSONObject
from app.db.types import same_json
from app.domain.merge_patch import merge
from app.repositories.event_fields import fields_in_events

if TYPE_CHECKING:
    from app.db import Record, Resource
    from app.db.repository.writing import Changes


def differences(model: type[Resource], before: Record, after: Record) -> Changes:
    """The changes of a row that a Core statement has changed, for its event."""
    return {
        name: (before[name], after[name])
        for name in fields_in_events(model)
        if name in before and name in after and before[name] != after[name]
    }


def initial_values(entity: Resource) -> Changes:
    """The values of a new entity, as changes from None."""
    values = ((name, getattr(entity, name)) for name in fields_in_events(type(entity)))
    return {name: (None, value) for name, value in values if value is not None}


def first_values(model: type[Resource], record: Record) -> Changes:
    """As `initial_values`, of a row that a Core statement has inserted."""
    values = ((name, record.get(name)) for name in fields_in_events(model))
    return {name: (None, value) for name, value in values if value is not None}


def changed_members(before: object, after: object) -> tuple[object, object]:
    """Two JSON objects without the members that are equal, so that events stay small.

    A member that only one of them has was added or removed. Other values are returned as they are.
    """
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return before, after
    same = {key for key in before.keys() & after.keys() if same_json(before[key], after[key])}
    return _without(before, same), _without(after, same)


def _without(members: dict[str, object], keys: set[str]) -> dict[str, object]:
    return {key: value for key, value in members.items() if key not in keys}


def merged(entity: Resource, name: str, value: object) -> object:
    """The value that a patch leaves in a field: of a JSON object, its members are merged."""
    column = entity.__table__.c.get(name)
    if column is None or not isinstance(column.type, JSONObject):
        return value
    if value is None:
        return None if column.nullable else {}
    if not isinstance(value, dict):
        raise TypeError(f"{name} must be a JSON object: {value!r}.")
    return merge(getattr(entity, name) or {}, value)
