"""The statements that load fields."""

# ruff: noqa: SLF001 - marshmallow's own methods show how a field behaves

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from marshmallow import fields, missing, validate

from app.api.kit.compiled.source import UnknownError, function, inherits, key_of, leave
from app.api.kit.expressions import loading_of
from app.api.kit.fields import Boolean, BoundedList, Id, JSONObject, Nested, Timestamp
from app.db.listing import parse_timestamp, parse_uuid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from marshmallow import Schema

    from app.api.kit.compiled.source import AnyField, Function
    from app.db import Record

_NAMES: dict[str, object] = {
    "missing": missing,
    "leave": leave,
    "parse_timestamp": parse_timestamp,
    "parse_uuid": parse_uuid,
}
_USUAL = (fields.Field.deserialize, JSONObject.deserialize)  # the latter differs for None alone
_VALIDATING = ("_validate", "_validate_all", "_validate_missing")
_OF_NUMBERS = fields.Number._deserialize
_OF_LISTS = (fields.List._deserialize, BoundedList._deserialize)
_NESTING = ("_load", "_test_collection", "schema")
_INTEGER = ("num_type", "_format_num", "_validated")
_SIMPLE: dict[object, str] = {
    fields.Field._deserialize: "leave(value) if value is None or value is missing else value",
    fields.String._deserialize: "value if type(value) is str else leave(value)",
    _OF_NUMBERS: "value if type(value) is int else leave(value)",
    Boolean._deserialize: "value if type(value) is bool else leave(value)",
    Id._deserialize: "parse_uuid(value) if type(value) is str else leave(value)",
    JSONObject._deserialize: "value if type(value) is dict else leave(value)",
    Timestamp._deserialize: "parse_timestamp(value) if type(value) is str else leave(value)",
}


class Fields:
    """Each field's statements; they use `names`. A nested schema is loaded by `load`.

    `load` returns the function that loads a dict, or raises UnknownError.
    """

    def __init__(self, schema: Schema, load: Callable[[Schema], Function]) -> None:
        self.names = dict(_NAMES)
        self._schema, self._load = schema, load

    @cached_property
    def source(self) -> str:
        lines = ["def load(body):", "    loaded = {}"]
        for number, (name, field) in enumerate(self._schema.load_fields.items()):
            lines += self._field(number, name, field)
        lines.append(
            "    return loaded if len(loaded) == len(body) else leave(body)  # unknown keys"
        )
        return "\n".join([*lines, ""])

    def _field(self, number: int, name: str, field: AnyField) -> Iterator[str]:
        key = key_of(name, field)
        yield f"    if {key!r} in body:"
        yield f"        value = body[{key!r}]"
        try:
            yield from self._known(str(number), field)
        except UnknownError:
            self.names[f"field_{number}"] = _by_marshmallow(field, key, self._schema)
            yield f"        value = field_{number}(value, body)"
        yield f"        loaded[{field.attribute or name!r}] = value"
        if not self._may_be_absent(field):
            yield "    else:"
            yield "        leave(body)"

    def _known(self, number: str, field: AnyField) -> Iterator[str]:
        expression = self._expression(number, field)
        indent = " " * 8
        if field.allow_none:
            yield f"{indent}if value is not None:"
            indent += " " * 4
        yield f"{indent}value = {expression}"
        for position, validator in enumerate(field.validators):
            yield indent + self._check(f"validate_{number}_{position}", validator)

    def _expression(self, number: str, field: AnyField) -> str:
        """The expression of the loaded value, for one that is neither None nor missing."""
        method = type(field)._deserialize
        if not _reads_as_usual(field) or field.pre_load or field.post_load:
            raise UnknownError
        if (own := loading_of(method)) is not None:
            self.names |= own.names
            return own.source
        if isinstance(field, fields.List) and method in _OF_LISTS:
            return self._list(number, field)
        if isinstance(field, Nested) and method is Nested._deserialize:
            return self._nested(number, field)
        if method not in _SIMPLE:
            raise UnknownError
        if method is _OF_NUMBERS and not inherits(field, fields.Integer, *_INTEGER):
            raise UnknownError
        return _SIMPLE[method]

    def _list(self, number: str, field: fields.List[Any]) -> str:
        lines = self._known(f"{number}_item", field.inner)
        source = "\n".join(["def item(value):", *lines, "        return value", ""])
        self.names[f"item_{number}"] = function("item", source, self.names)
        items = "value"
        if isinstance(field, BoundedList):
            self.names[f"bounded_{number}"] = field.bounded
            items = f"bounded_{number}(value)"
        return f"[item_{number}(each) for each in {items}] if type(value) is list else leave(value)"

    def _nested(self, number: str, field: Nested) -> str:
        """marshmallow passes `partial` and `unknown` on to the nested schema: here are neither."""
        is_whole = not self._schema.partial and not field.schema.partial and field.unknown is None
        is_one = not field.many and not field.schema.many
        if not (is_whole and is_one and inherits(field, fields.Nested, *_NESTING)):
            raise UnknownError
        self.names[f"nested_{number}"] = self._load(field.schema)
        self.names[f"makes_{number}"] = field.makes
        made = f"makes_{number}(**nested_{number}(value))"
        return f"{made} if type(value) is dict else leave(value)"

    def _check(self, name: str, validator: Function) -> str:
        if isinstance(validator, validate.Length) and inherits(
            validator, validate.Length, "__call__"
        ):
            least, most = validator.min, validator.max
            if type(least) is type(most) is int and validator.equal is None:
                return f"{least} <= len(value) <= {most} or leave(value)"
        self.names[name] = validator
        return f"{name}(value)"

    def _may_be_absent(self, field: AnyField) -> bool:
        if self._schema.partial:
            return True
        return _reads_as_usual(field) and not field.required and field.load_default is missing


def _reads_as_usual(field: AnyField) -> bool:
    return type(field).deserialize in _USUAL and inherits(field, fields.Field, *_VALIDATING)


def _by_marshmallow(
    field: AnyField, key: str, schema: Schema
) -> Callable[[object, Record], object]:
    partial = {} if schema.partial is None else {"partial": schema.partial}

    def deserialize(value: object, body: Record) -> object:
        loaded = field.deserialize(value, key, body, **partial)
        return leave(loaded) if loaded is missing else loaded

    return deserialize
