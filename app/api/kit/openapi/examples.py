"""Examples of requests and responses, built from the examples of their fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.api.kit.components import Shape

ID = "01a1fcbf-a147-7581-9c60-f6b94e7bf1a1"
MOMENT = "2026-11-21T09:30:00Z"
CURSOR = "WyIyMDI2LTExLTIxIl0.3vX8oYbKkq"

_BY_FORMAT = {"uuid": ID, "date-time": MOMENT}
_BY_TYPE: dict[str, object] = {"boolean": True, "object": {}, "null": None}


def example_of(shape: Shape, named: dict[str, Shape], name: str = "") -> object:
    """The example of this shape, or one built from its type; `name` is that of its field."""
    if "examples" in shape:
        return shape["examples"][0]
    if "$ref" in shape:
        return example_of(named[shape["$ref"].rpartition("/")[2]], named, name)
    if "anyOf" in shape:
        return example_of(shape["anyOf"][0], named, name)
    if "properties" in shape:
        names = [name for name in shape["properties"] if name not in _left_out(shape)]
        return {name: example_of(shape["properties"][name], named, name) for name in names}
    if "items" in shape:
        least = shape.get("minItems", 1)
        return [example_of(shape["items"], named, name) for _ in range(least)]
    return _plain(shape, name)


def _left_out(shape: Shape) -> set[str]:
    """All but the first of those of which one is sent."""
    others = [other for rule in shape.get("allOf", ()) for other in rule.get("oneOf", ())[1:]]
    return {name for other in others for name in other["required"]}


def _plain(shape: Shape, name: str) -> object:
    kind = shape.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind in _BY_TYPE:
        return _BY_TYPE[kind]
    if kind == "integer":
        return max(1, shape.get("minimum", 1))
    return shape["enum"][0] if "enum" in shape else _BY_FORMAT.get(shape.get("format", ""), name)
