"""The expressions of the values that fields dump."""

# ruff: noqa: SLF001 - marshmallow's own methods show how a field behaves

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from marshmallow import fields, missing

from app.api.kit.compiled.source import UnknownError, inherits, key_of
from app.api.kit.expressions import Values, expression_of
from app.api.kit.fields import Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from marshmallow import Schema

    from app.api.kit.compiled.source import AnyField, Function

_NAMES: dict[str, object] = {
    "UTC": UTC,
    "UUID": UUID,
    "datetime": datetime,
    "missing": missing,
}

_OF_NUMBERS = fields.Number._serialize
_TIME = "{v} if type({v}) is datetime and {v}.tzinfo is UTC else None if {v} is None else {leave}"
# By the method that dumps the field. Ids and times stay what they are: orjson writes them as
# marshmallow does, in less than a third of the time.
_SIMPLE: dict[object, str] = {
    fields.Field._serialize: "{v} if {v} is not missing else {leave}",
    fields.String._serialize: "{v} if type({v}) is str or {v} is None else {leave}",
    _OF_NUMBERS: "{v} if type({v}) is int or {v} is None else {leave}",
    fields.UUID._serialize: (
        "{v} if type({v}) is UUID or type({v}) is str or {v} is None else {leave}"
    ),
    Timestamp._serialize: _TIME,
}


class Dumps(Protocol):
    """Dumps objects of one schema."""

    def one(self, record: object) -> object: ...

    def many(self, records: Iterable[object]) -> object: ...


class Fields:
    """Each field's expression, and the `names` that these use.

    `read` is the expression for a column of the record; a nested schema is dumped by `dump`.
    """

    def __init__(
        self, schema: Schema, read: str, dump: Callable[[Schema], Dumps], *, may_miss: bool = False
    ) -> None:
        self.names = dict(_NAMES)
        self._schema, self._read, self._dump, self._may_miss = schema, read, dump, may_miss
        self._reads: list[str] = []

    @cached_property
    def source(self) -> str:
        items = [
            f"        {key_of(name, field)!r}: {self._item(number, name, field)},"
            for number, (name, field) in enumerate(self._schema.dump_fields.items())
        ]
        return "\n".join(["def dump(record):", *self._reads, "    return {", *items, "    }", ""])

    def _item(self, number: int, name: str, field: AnyField) -> str:
        dump = partial(field.serialize, name, accessor=self._schema.get_attribute)
        self.names[f"field_{number}"] = dump if self._may_miss else _or_unknown(dump)
        leave = f"field_{number}(record)"
        try:
            return self._field(name, field, leave)
        except UnknownError:
            return leave

    def _field(self, name: str, field: AnyField, leave: str) -> str:
        if (own := expression_of(type(field).serialize)) is not None:
            self.names |= own.names
            return own.source(field, name, Values(self._value, leave))
        if not inherits(field, fields.Field, "serialize", "get_value", "_CHECK_ATTRIBUTE"):
            raise UnknownError
        column = name if field.attribute is None else field.attribute
        expression = self._known(field, self._next_variable, leave)
        self._value(column)
        return expression

    def _known(self, field: AnyField, value: str, leave: str) -> str:
        """The expression of the dumped `value`; `leave` is the one for unexpected values."""
        method = type(field)._serialize
        if isinstance(field, fields.List) and inherits(field, fields.List, "_serialize"):
            return self._list(field.inner, value, leave)
        if isinstance(field, fields.Nested) and inherits(
            field, fields.Nested, "_serialize", "schema"
        ):
            return self._nested(field, value, leave)
        if method not in _SIMPLE or (method is _OF_NUMBERS and not _is_integer(field)):
            raise UnknownError
        return _SIMPLE[method].format(v=value, leave=leave)

    def _list(self, inner: AnyField, value: str, leave: str) -> str:
        item = f"{value}_item"
        self.names[f"dump_{item}"] = lambda each: inner._serialize(each, None, None)
        expression = self._known(inner, item, f"dump_{item}({item})")
        items = f"[{expression} for {item} in {value}]"
        return f"{items} if type({value}) is list else None if {value} is None else {leave}"

    def _nested(self, field: fields.Nested, value: str, leave: str) -> str:
        dump, many = self._dump(field.schema), field.schema.many or field.many
        self.names[f"nested_{value}"] = dump.many if many else dump.one
        return f"{leave} if {value} is None or {value} is missing else nested_{value}({value})"

    def _value(self, column: str) -> str:
        """The local variable that holds the value of this column."""
        if "." in column:
            raise UnknownError
        variable = self._next_variable
        self._reads.append(f"    {variable} = {self._read.format(column)}")
        return variable

    @property
    def _next_variable(self) -> str:
        return f"value_{len(self._reads)}"


def _is_integer(field: AnyField) -> bool:
    return (
        isinstance(field, fields.Integer)
        and inherits(field, fields.Integer, "num_type", "_format_num")
        and not field.as_string
    )


def _or_unknown(dump: Function) -> Function:
    def dump_or_unknown(record: object) -> object:
        value = dump(record)
        if value is missing:
            raise UnknownError
        return value

    return dump_or_unknown
