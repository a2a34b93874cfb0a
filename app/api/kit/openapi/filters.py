"""The schemas of the values of filters, as parameters of a query and as fields of a body."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from app.api.kit.components import Shape
    from app.api.kit.contract import AnyReader
    from app.db.repository.criteria import Filter

STRING: Shape = {"type": "string", "pattern": r"^[^\u0000]+$"}
BOOLEAN: Shape = {"type": "boolean"}
ID: Shape = {"type": "string", "format": "uuid"}
_TIME: Shape = {"type": "string", "format": "date-time"}
_TYPES: dict[type, Shape] = {str: STRING, bool: BOOLEAN, UUID: ID, datetime: _TIME, list: STRING}


_MEANINGS = {
    "eq": "Only rows whose `{field}` is this value.",
    "ne": "Only rows whose `{field}` is not this value.",
    "in": "Only rows whose `{field}` is one of these values, which commas separate.",
    "lt": "Only rows whose `{field}` is less than this value.",
    "lte": "Only rows whose `{field}` is this value or less.",
    "gt": "Only rows whose `{field}` is greater than this value.",
    "gte": "Only rows whose `{field}` is this value or greater.",
    "is_null": "`true`: only rows without `{field}`. `false`: only rows with one.",
    "contains": "Only rows whose `{field}` contains this value.",
}


def meaning_of(field: str, operator: str) -> str:
    """The description of a filter."""
    return _MEANINGS[operator].format(field=field)


def shape_of(declared: Filter) -> Shape:
    allowed = declared.integers
    integer = {"type": "integer", "minimum": allowed.start, "maximum": allowed.stop - 1}
    return _TYPES.get(declared.type, integer)


def in_body(reader: AnyReader) -> Shape:
    """The same filters where they are the fields of a body."""
    properties = {
        f"{field}__{operator}".removesuffix("__eq"): {
            **_value(declared, operator),
            "description": meaning_of(field, operator),
        }
        for field, declared in reader.filters.items()
        if not declared.internal
        for operator in sorted(declared.operators)
    }
    return {
        "type": "object",
        "description": "Filters of the list, by name, with their values.",
        "properties": properties,
        "minProperties": 1,
        "additionalProperties": False,
    }


def _value(declared: Filter, operator: str) -> Shape:
    """Booleans and integers may be strings there, as they are in a query."""
    if operator == "in":
        return {"type": "string", "minLength": 1}
    if operator == "is_null" or declared.type is bool:
        return {"type": ["boolean", "string"], "pattern": "^(true|false)$"}
    if declared.type is int:
        pattern = "^-?[0-9]{1,18}$"
        return {**shape_of(declared), "type": ["integer", "string"], "pattern": pattern}
    return shape_of(declared)
