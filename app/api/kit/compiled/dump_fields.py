"""The expressions that give what fields dump."""

# ruff: noqa: SLF001 - by marshmallow's own methods it is seen what a field does

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from marshmallow import fields, missing

from app.api.kit.compiled.source import OddError, inherits, key_of
from app.api.kit.fields import Actor, Timestamp
from app.api.schemas.money import Money, written

if TYPE_CHECKING:
    from collections.abc import Callable

    from marshmallow import Schema

_NAMES = {
    "UTC": UTC,
    "UUID": UUID,
    "Z": orjson.OPT_UTC_Z,
    "datetime": datetime,
    "dumps": orjson.dumps,
    "missing": missing,
    "written": written,
}

_OF_NUMBERS = fields.Number._serialize
_TIME = (
    "dumps({v}, None, Z)[1:-1].decode() if type({v}) is datetime and {v}.tzinfo is UTC"
    " else None if {v} is None else {odd}"
)
_MONEY = "written({v}, {currency}) if type({v}) is int else None if {v} is None else {odd}"
# By what dumps them. orjson spells ids and times as Python does, in a third of the time.
_SIMPLE: dict[Any, str] = {
    fields.Field._serialize: "{v} if {v} is not missing else {odd}",
    fields.String._serialize: "{v} if type({v}) is str or {v} is None else {odd}",
    _OF_NUMBERS: "{v} if type({v}) is int or {v} is None else {odd}",
    fields.UUID._serialize: (
        "dumps({v})[1:-1].decode() if type({v}) is UUID else None if {v} is None else {odd}"
    ),
    Timestamp._serialize: _TIME,
}


class Fields:
    """Each field's expression, and the `names` that these use.

    `read` says how a value is got at; a nested schema is dumped by `dump`.
    """

    def __init__(
        self, schema: Schema, read: str, dump: Callable[[Schema], Any], *, may_miss: bool = False
    ) -> None:
        self.names: dict[str, Any] = dict(_NAMES)
        self._schema, self._read, self._dump, self._may_miss = schema, read, dump, may_miss
        self._reads: list[str] = []

    @cached_property
    def source(self) -> str:
        items = [
            f"        {key_of(name, field)!r}: {self._item(number, name, field)},"
            for number, (name, field) in enumerate(self._schema.dump_fields.items())
        ]
        return "\n".join(["def dump(record):", *self._reads, "    return {", *items, "    }", ""])

    def _item(self, number: int, name: str, field: Any) -> str:
        dump = partial(field.serialize, name, accessor=self._schema.get_attribute)
        self.names[f"field_{number}"] = dump if self._may_miss else _or_odd(dump)
        try:
            return self._field(number, name, field)
        except OddError:
            return f"field_{number}(record)"

    def _field(self, number: int, name: str, field: Any) -> str:
        odd = f"field_{number}(record)"
        if type(field).serialize is Actor.serialize:
            parts = {"type": "kind", "id": "id", "name": "name"}.items()
            read = [f"{key!r}: {self._get(f'{field.prefix}_{part}')}" for key, part in parts]
            return f"{{{', '.join(read)}}}"
        if type(field).serialize is Money.serialize:
            value, currency = self._value(number, name), self._get("currency")
            return _MONEY.format(v=value, currency=currency, odd=odd)
        if not inherits(field, fields.Field, "serialize", "get_value", "_CHECK_ATTRIBUTE"):
            raise OddError
        attribute = name if field.attribute is None else field.attribute
        made = self._known(field, f"value_{number}", odd)
        self._value(number, attribute)
        return made

    def _known(self, field: Any, value: str, odd: str) -> str:
        """What the field makes of a value; `odd` is for one that it is not known of."""
        method = type(field)._serialize
        if method is fields.List._serialize:
            return self._list(field.inner, value, odd)
        if method is fields.Nested._serialize and inherits(field, fields.Nested, "schema"):
            return self._nested(field, value, odd)
        if method not in _SIMPLE or (method is _OF_NUMBERS and not _is_integer(field)):
            raise OddError
        return _SIMPLE[method].format(v=value, odd=odd)

    def _list(self, inner: Any, value: str, odd: str) -> str:
        item = f"{value}_item"
        self.names[f"dump_{item}"] = lambda each: inner._serialize(each, None, None)
        made = self._known(inner, item, f"dump_{item}({item})")
        items = f"[{made} for {item} in {value}]"
        return f"{items} if type({value}) is list else None if {value} is None else {odd}"

    def _nested(self, field: Any, value: str, odd: str) -> str:
        dump, many = self._dump(field.schema), field.schema.many or field.many
        self.names[f"nested_{value}"] = dump.many if many else dump.one
        return f"{odd} if {value} is None or {value} is missing else nested_{value}({value})"

    def _value(self, number: int, name: str) -> str:
        self._reads.append(f"    value_{number} = {self._get(name)}")
        return f"value_{number}"

    def _get(self, name: str) -> str:
        if "." in name:
            raise OddError
        return self._read.format(name)


def _is_integer(field: Any) -> bool:
    return inherits(field, fields.Integer, "num_type", "_format_num") and not field.as_string


def _or_odd(dump: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def dump_or_odd(record: Any) -> Any:
        value = dump(record)
        if value is missing:
            raise OddError
        return value

    return dump_or_odd
