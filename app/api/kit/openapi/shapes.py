"""The JSON Schema of each kind of field, where apispec knows too little of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apispec.ext.marshmallow.openapi import OpenAPIConverter

from app.api.kit.components import ComponentField, Shape
from app.api.kit.fields import Email, Ids, JSONObject, Text, Texts, Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from apispec.core import Components

    from app.api.kit.compiled.source import AnyField
    from app.api.kit.components import Component

_SHOWN = ("description", "examples")

# To Python more is blank than to the regular expressions of JSON Schema.
NOT_BLANK = r"[^\s\u001c-\u001f\u0085]"


def add_component(components: Components, component: Component) -> None:
    """Add it to the document, with those to which it refers, unless it is there already."""
    if component.name not in components.schemas:
        components.schema(component.name, component.shape)
        for used in component.uses:
            add_component(components, used)


class Converter(OpenAPIConverter):
    """apispec's, with the rules of this application's own kinds of fields."""

    def field2property(self, field: AnyField) -> Shape:
        if isinstance(field, ComponentField):
            add_component(self.spec.components, field.requested)
            shown = {name: field.metadata[name] for name in _SHOWN if name in field.metadata}
            return or_null(field.requested.reference, field) | shown
        shape: Shape = super().field2property(field)
        shape.pop("readOnly", None)  # requests and answers have schemas of their own
        shape.pop("writeOnly", None)
        for kind, more in _MORE.items():
            if isinstance(field, kind):
                shape.update(more(field))
        return shape


def or_null(shape: Shape, field: AnyField) -> Shape:
    return {"anyOf": [shape, {"type": "null"}]} if field.allow_none else shape


def _type(name: str, field: AnyField) -> Shape:
    return {"type": [name, "null"] if field.allow_none else name}


def _text(field: Text) -> Shape:
    patterns = [
        f"^{validator.pattern.pattern}$"
        for validator in field.validators
        if hasattr(validator, "pattern")
    ]
    not_blank = NOT_BLANK if field.shortest else f"^$|{NOT_BLANK}"
    return {"pattern": patterns[0] if patterns else not_blank}


def _texts(field: Texts) -> Shape:
    return {"maxItems": field.at_most.max, "uniqueItems": True}


def _object(field: JSONObject) -> Shape:
    nullable = field.allow_none or bool(field.root and field.root.partial)
    return {"type": ["object", "null"] if nullable else "object", "additionalProperties": True}


_MORE: dict[type, Callable[[Any], Shape]] = {
    Text: _text,
    Email: lambda _: {"format": "email"},
    Texts: _texts,
    Ids: lambda field: {"minItems": 1, "maxItems": field.most()},
    JSONObject: _object,
    Timestamp: lambda field: {**_type("string", field), "format": "date-time"},
}
