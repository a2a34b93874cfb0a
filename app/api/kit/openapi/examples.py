"""Examples, made from the schemas themselves and a few words that people would use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.api.kit.components import Shape

ID = "01a1fcbf-a147-7581-9c60-f6b94e7bf1a1"
_OTHER_ID = "01a1fcbf-a147-7581-9c60-f6b94e7bf1a2"
MOMENT = "2026-11-21T09:30:00Z"
CURSOR = "WyIyMDI2LTExLTIxIl0.3vX8oYbKkq"

_WORDS = {
    "action": "customer-updated",
    "amount": "12.34",
    "body": "Your fee has been refunded.",
    "currency": "GBP",
    "dedupe_key": "refund-7",
    "description": "Refund of the monthly fee",
    "email": "ann@harbour.example",
    "error": "The mail server did not answer.",
    "external_id": "<7f3a@mail.example>",
    "name": "Ann Harbour",
    "next_cursor": CURSOR,
    "number": "100000000145",
    "object_type": "customers",
    "phone": "+44 20 7946 0000",
    "queue": "mail",
    "queues": "mail",
    "reason": "Speaks Spanish",
    "reference": "C-1001",
    "request_id": "01a1fcc00f1974d8a582dd68f4ddab95",
    "status": "ok",
    "subject": "A fee that I do not know",
    "tags": "fees",
    "token": "cl_Zr0uW4n8T2",
    "until": MOMENT,
}
_TAKEN = {"account_id": ID, "amount": {"amount": "-12.34", "currency": "GBP"}}
_GIVEN = {"account_id": _OTHER_ID, "amount": {"amount": "12.34", "currency": "GBP"}}
_WHOLE: dict[str, Any] = {
    "deleted_at": None,
    "entries": [_TAKEN, _GIVEN],
    "filter": {"status": "open"},
}
_BY_FORMAT = {"uuid": ID, "date-time": MOMENT}
_BY_TYPE: dict[str, Any] = {"boolean": True, "object": {}, "null": None}


def example_of(shape: Shape, named: dict[str, Shape], name: str = "") -> Any:
    """A value of this shape, as it may well be; `name` is that of its field."""
    if name in _WHOLE:
        return _WHOLE[name]
    if "$ref" in shape:
        shape = named[shape["$ref"].rpartition("/")[2]]
    if "anyOf" in shape:
        return example_of(shape["anyOf"][0], named, name)
    if "examples" in shape:
        return shape["examples"][0]
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


def _plain(shape: Shape, name: str) -> Any:
    kind = shape.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind in _BY_TYPE:
        return _BY_TYPE[kind]
    if kind == "integer":
        return max(1, shape.get("minimum", 1))
    if name in _WORDS and _WORDS[name] in shape.get("enum", [_WORDS[name]]):
        return _WORDS[name]
    return shape["enum"][0] if "enum" in shape else _BY_FORMAT.get(shape.get("format", ""), name)
