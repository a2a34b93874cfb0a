"""What the values of filters look like: as parameters of a query, and as fields of a body."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from app.api.kit.components import Shape
    from app.db import Reader
    from app.db.repository.criteria import Filter

STRING: Shape = {"type": "string", "pattern": r"^[^\u0000]+$"}
BOOLEAN: Shape = {"type": "boolean"}
ID: Shape = {"type": "string", "format": "uuid"}
_TIME: Shape = {"type": "string", "format": "date-time"}
_TYPES: dict[type, Shape] = {str: STRING, bool: BOOLEAN, UUID: ID, datetime: _TIME, list: STRING}


def shape_of(declared: Filter) -> Shape:
    allowed = declared.integers
    integer = {"type": "integer", "minimum": allowed.start, "maximum": allowed.stop - 1}
    return _TYPES.get(declared.type, integer)


def in_body(reader: Reader[Any]) -> Shape:
    """The same filters where they are the fields of a body."""
    properties = {
        f"{field}__{operator}".removesuffix("__eq"): _value(declared, operator)
        for field, declared in reader.filters.items()
        if not declared.internal
        for operator in sorted(declared.operators)
    }
    return {
        "type": "object",
        "description": "The filters of the list, and what they must be.",
        "properties": properties,
        "minProperties": 1,
        "additionalProperties": False,
    }


def _value(declared: Filter, operator: str) -> Shape:
    """Booleans and integers may be strings there, as they are in a query."""
    if operator == "in":
        return {"type": "string", "minLength": 1, "description": "Values between commas."}
    if operator == "is_null" or declared.type is bool:
        return {"type": ["boolean", "string"], "pattern": "^(true|false)$"}
    if declared.type is int:
        pattern = "^-?[0-9]{1,18}$"
        return {**shape_of(declared), "type": ["integer", "string"], "pattern": pattern}
    return shape_of(declared)
