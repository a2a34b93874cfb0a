"""What each kind of field looks like, where apispec does not know or not tell it all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apispec.ext.marshmallow.openapi import OpenAPIConverter

from app.api.kit.fields import Actor, Email, Ids, JSONObject, Text, Texts, Timestamp
from app.api.kit.openapi.filters import in_body
from app.api.schemas.conversation_batches import ConversationFilters
from app.api.schemas.money import Currency, Money
from app.domain.actors import ActorKind
from app.domain.money import CURRENT, DIGITS
from app.services import ConversationBatchService

if TYPE_CHECKING:
    from collections.abc import Callable

    from marshmallow import fields

Shape = dict[str, Any]

# To Python more is blank than to the regular expressions of JSON Schema.
NOT_BLANK = r"[^\s\u001c-\u001f\u0085]"


def _amount(digits: int) -> str:
    whole = "^-?(0|[1-9][0-9]{0,18})"
    return whole + (rf"(\.[0-9]{{1,{digits}}})?$" if digits else "$")


def _by_digits() -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for currency, digits in DIGITS.items():
        found.setdefault(digits, []).append(currency)
    return found


ACTOR: Shape = {
    "type": "object",
    "description": "Who did it. The system has no id; an erased name is null.",
    "properties": {
        "type": {"type": "string", "enum": list(ActorKind)},
        "id": {"type": ["string", "null"], "format": "uuid"},
        "name": {"type": ["string", "null"]},
    },
    "required": ["type", "id", "name"],
}
CURRENCY: Shape = {
    "type": "string",
    "description": "A code of ISO 4217, or one that has left it since 2020.",
    "enum": sorted(DIGITS),
}
CURRENT_CURRENCY: Shape = {
    "type": "string",
    "description": "A code of ISO 4217 that is in use.",
    "enum": sorted(CURRENT),
}
MONEY: Shape = {
    "type": "object",
    "description": "Answered with exactly the currency's decimals, read with at most those.",
    "properties": {
        "amount": {
            "type": "string",
            "pattern": _amount(max(DIGITS.values())),
        },
        "currency": {"$ref": "#/components/schemas/Currency"},
    },
    "required": ["amount", "currency"],
    "additionalProperties": False,
    "allOf": [
        {
            "if": {"properties": {"currency": {"enum": sorted(currencies)}}},
            "then": {"properties": {"amount": {"pattern": _amount(digits)}}},
        }
        for digits, currencies in _by_digits().items()
    ],
}
COMPONENTS = {
    "Actor": ACTOR,
    "ConversationFilters": in_body(ConversationBatchService.repository),
    "Currency": CURRENCY,
    "CurrentCurrency": CURRENT_CURRENCY,
    "Money": MONEY,
}


class Converter(OpenAPIConverter):
    """apispec's, and what it can't know of the fields of our own."""

    def field2property(self, field: fields.Field[Any]) -> Shape:
        for kind in type(field).__mro__:
            if kind in _REFERENCES:
                return _or_null({"$ref": f"#/components/schemas/{_REFERENCES[kind]}"}, field)
        shape: Shape = super().field2property(field)
        shape.pop("readOnly", None)  # requests and answers have schemas of their own
        shape.pop("writeOnly", None)
        for kind, more in _MORE.items():
            if isinstance(field, kind):
                shape.update(more(field))
        return shape


def _or_null(shape: Shape, field: fields.Field[Any]) -> Shape:
    return {"anyOf": [shape, {"type": "null"}]} if field.allow_none else shape


def _type(name: str, field: fields.Field[Any]) -> Shape:
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


_REFERENCES: dict[type, str] = {
    Money: "Money",
    Currency: "CurrentCurrency",
    Actor: "Actor",
    ConversationFilters: "ConversationFilters",
}
_MORE: dict[type, Callable[[Any], Shape]] = {
    Text: _text,
    Email: lambda _: {"format": "email"},
    Texts: _texts,
    Ids: lambda field: {"minItems": 1, "maxItems": field.most()},
    JSONObject: _object,
    Timestamp: lambda field: {**_type("string", field), "format": "date-time"},
}
