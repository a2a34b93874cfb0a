"""The document's schemas, from marshmallow's: one for responses, one for each kind of request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow.fields import List, Nested

from app.api.kit.components import ComponentField, Shape
from app.api.kit.expansions import expansions_of
from app.api.kit.fields import Choice
from app.api.kit.openapi.examples import CURSOR, example_of
from app.api.kit.openapi.shapes import Converter, add_component, or_null
from app.api.kit.schemas import ResourceSchema

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from apispec.core import Components
    from marshmallow import Schema

    from app.api.kit.compiled.source import AnyField

SPARSE = "Sparse"
_EXPANDED = "The whole resource, if `expand` names it. Null if there is none that may be read."
_SPARSE = "The fields that `fields` names, and the expanded resources."
_PAGE: Shape = {
    "next_cursor": {
        "type": ["string", "null"],
        "description": "The `cursor` of the next page; null on the last page.",
        "examples": [CURSOR],
    },
    "total": {
        "type": "integer",
        "description": "With `include_total`: the number of rows on all pages.",
        "minimum": 0,
    },
    "total_is_estimate": {
        "type": "boolean",
        "description": "True if `total` is an estimate: it is exact up to 10,000.",
        "const": True,
    },
}
_REF = "#/components/schemas/"


class _Plugin(MarshmallowPlugin):
    Converter = Converter


class Schemas:
    """Names each schema once, as it is asked for."""

    def __init__(self, title: str, version: str) -> None:
        self.spec = APISpec(title, version, "3.1.0", plugins=[_Plugin(_name)])
        self._named: set[str] = set()

    def add(self, name: str, shape: Shape) -> Shape:
        """A reference to a schema of our own making, which is named the first time."""
        if name not in self._named:
            self._named.add(name)
            self.spec.components.schema(name, shape)
        return {"$ref": _REF + name}

    def answered(self, kind: type[Schema]) -> Shape:
        """With all its fields always there, but for those that say that they are not."""
        name = _name(kind)
        if name not in self._named:
            fields = kind().fields
            for inner in _resources(fields.values()):
                self.answered(inner)
            schema = kind(exclude=[key for key, field in fields.items() if field.load_only])
            shape = self._named_shape(name, schema)
            shape["required"] = [
                key for key in shape["properties"] if not fields[key].metadata.get("sometimes")
            ]
            shape.pop("additionalProperties", None)  # there may be more, one day
            for key, answered in shape["properties"].items():
                _widen(answered, fields[key], self.spec.components)
            shape["examples"] = [example_of(shape, self.shapes)]
        return {"$ref": _REF + name}

    def selected(self, kind: type[Schema]) -> Shape:
        """As answered or, where the client names fields, with those alone."""
        whole, name = self.answered(kind), _name(kind)
        properties = self.shapes[name]["properties"]
        for key, expansion in expansions_of(kind).items():
            either = [self.answered(expansion.schema), {"type": "null"}]
            properties[key] = {"anyOf": either, "description": _EXPANDED}
        sparse = {"type": "object", "description": _SPARSE, "properties": properties}
        return {"anyOf": [whole, self.add(f"{SPARSE}{name}", sparse)]}

    def page(self, kind: type[Schema]) -> Shape:
        items = {"type": "array", "items": self.selected(kind)}
        properties = {"items": {**items, "description": "The rows of this page."}, **_PAGE}
        return self.add(
            f"{_name(kind)}Page",
            {"type": "object", "properties": properties, "required": ["items", "next_cursor"]},
        )

    def items(self, shape: Shape, *, most: int | None = None) -> Shape:
        """An object with a list of these; up to `most`, where it is a request."""
        name = shape["$ref"].removeprefix(_REF)
        listed: Shape = {"type": "array", "description": "All of them.", "items": shape}
        whole: Shape = {"type": "object", "properties": {"items": listed}, "required": ["items"]}
        if most is not None:
            listed |= {"minItems": 1, "maxItems": most}
            whole["additionalProperties"] = False
        return self.add(f"{name}Items", whole)

    def requested(self, kind: type[Schema], *, patch: bool) -> Shape:
        """The fields that a client may send: all that the server does not set."""
        name, ours = _name(kind), [key for key, field in kind().fields.items() if field.dump_only]
        if patch:
            name = name.removesuffix("Patch") + "Patch"
        elif ours and not name.startswith("New"):
            name = f"New{name}"
        if name not in self._named:
            shape = self._named_shape(name, kind(exclude=ours, partial=patch))
            shape |= _one_of(kind().fields)
            shape["examples"] = [example_of(shape, self.shapes)]
        return {"$ref": _REF + name}

    @property
    def shapes(self) -> Shape:
        found: Shape = self.spec.components.schemas
        return found

    def _named_shape(self, name: str, schema: Schema) -> Shape:
        self._named.add(name)
        self.spec.components.schema(name, schema=schema)
        shape: Shape = self.shapes[name]
        if description := vars(type(schema)).get("__doc__"):
            shape["description"] = description
        return shape


def _resources(found: Iterable[AnyField]) -> Iterator[type[Schema]]:
    """Those that are answered as they are elsewhere: in full."""
    for field in found:
        inner = field.inner if isinstance(field, List) else field
        if isinstance(inner, Nested) and isinstance(inner.schema, ResourceSchema):
            yield type(inner.schema)


def _one_of(fields: Mapping[str, AnyField]) -> Shape:
    """Inside `allOf`, or generators of clients take it for all that there is."""
    either = [key for key, field in fields.items() if field.metadata.get("one_of")]
    return {"allOf": [{"oneOf": [{"required": [key]} for key in either]}]} if either else {}


def _widen(shape: Shape, field: AnyField, components: Components) -> None:
    """A response may have values that are older than a rule for requests."""
    if isinstance(field, ComponentField) and field.responded is not field.requested:
        add_component(components, field.responded)
        for name in ("$ref", "anyOf"):
            shape.pop(name, None)
        shape |= or_null(field.responded.reference, field)
    for rule in ("minLength", "maxLength", "pattern", "default"):
        shape.pop(rule, None)
    if field.metadata.get("answered_null"):
        shape["type"] = [shape["type"], "null"]
    if isinstance(field, Choice):
        shape["enum"] = [*field.answered, *([None] if field.allow_none else [])]


def _name(kind: object) -> str:
    kind = kind if isinstance(kind, type) else type(kind)
    return str(kind.__name__.removesuffix("Schema"))
