"""What is not known exactly is left to marshmallow: all that changes what is dumped or loaded."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import (
    EXCLUDE,
    INCLUDE,
    Schema,
    ValidationError,
    fields,
    post_dump,
    post_load,
    pre_dump,
    pre_load,
    validate,
    validates,
    validates_schema,
)

from app.api.kit.compiled import Dump, Load
from app.api.kit.fields import JSONObject, Nested, Text, Texts, Timestamp
from app.api.schemas.money import Money
from tests.outcomes import check_dump, check_load, outcome
from tests.schemas import ODD, TEXTS, bodies, broken, records, thorough

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

NAMES = ["a", "b", "c", "items", "pop", "a.b", "A", "x_kind", "currency"]
NESTED = st.dictionaries(st.sampled_from(NAMES), ODD | st.just("GBP"), max_size=4)
VALUES = st.dictionaries(
    st.sampled_from(NAMES), ODD | NESTED | st.lists(NESTED, max_size=2) | TEXTS, max_size=6
)


class Small(Schema):
    a = fields.String(required=True)
    b = fields.Integer(strict=True, validate=validate.Range(1, 5))


class Renamed(Schema):
    a = fields.String(data_key="A")
    b = fields.String(attribute="c", required=True)
    c = fields.String(attribute="a.b")


class RenamedWithoutDots(Schema):
    a = fields.String(data_key="A", attribute="b")
    b = fields.Boolean(data_key="items", attribute="c")


class OneKeyTwice(Schema):
    a = fields.Raw(data_key="c", load_only=True)
    b = fields.Raw(data_key="c", load_only=True, attribute="x")


class OneWay(Schema):
    a = fields.String(load_only=True, required=True)
    b = fields.String(dump_only=True)
    c = fields.String()

    class Meta:
        dump_only = ("c",)


class Defaults(Schema):
    a = fields.String(dump_default="x", load_default=lambda: "y")
    b = fields.Integer(dump_default=lambda: "7", load_default=None)


class Constant(Schema):
    c = fields.Constant("always")


class MethodsOfDicts(Schema):
    """marshmallow finds the method of the dict where the key is missing."""

    items = fields.Raw()
    pop = Money()


class Called(Schema):
    a = fields.Method("of_a", deserialize="to_a")
    b = fields.Function(repr, lambda value: [value])
    c = fields.Method(deserialize="to_a")

    def of_a(self, record: Any) -> Any:
        return record["a"] if isinstance(record, dict) else record.a

    def to_a(self, value: Any) -> Any:
        return {"was": value}


class Inside(Schema):
    a = fields.Nested(Small, only=("a",), allow_none=True)
    b = fields.Nested(Small, exclude=("b",), many=True)
    c = fields.List(fields.Nested(Small(many=False)))
    items = fields.Pluck(Small, "a")
    pop = fields.Pluck(Small, "b", many=True)


def refuse(**values: Any) -> Any:
    raise KeyError(*values)


def keep_one(a: str, b: int) -> Any:
    if b > 1:
        raise ValueError(a)
    return {a: b}


class Made(Schema):
    a = Nested(Small, required=True)
    b = Nested(Small, keep_one, allow_none=True)
    c = fields.List(Nested(Small, lambda **values: tuple(values.items())))


class MadeOtherwise(Schema):
    a = Nested(Small, list, many=True)
    b = Nested(Small, unknown=EXCLUDE)
    c = Nested(Small, only=("a",))
    items = Nested(lambda: Small(partial=True))
    pop = Nested(lambda: Small(many=True))


class MadeOfHooks(Schema):
    a = Nested(lambda: AfterLoad)
    b = Nested(lambda: Validated)
    c = Nested(lambda: Excluding)
    items = Nested(Small, refuse)


class MadeOfItself(Schema):
    a = Nested(lambda: MadeOfItself, lambda **values: [values])
    b = fields.String()


class Endless(Schema):
    a = fields.Nested(lambda: Endless(exclude=("b",)))
    b = fields.List(fields.List(fields.Nested(lambda: Endless(only=("a",)))))


class Shouted(fields.String):
    def _serialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        text = super()._serialize(value, *args, **kwargs)
        return text and text.upper()

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        return super()._deserialize(value, *args, **kwargs).upper()


class Elsewhere(fields.String):
    def get_value(self, obj: Any, attr: str, *_: Any, **__: Any) -> Any:
        return "elsewhere"


class Wrapped(fields.Integer):
    def serialize(self, *args: Any, **kwargs: Any) -> Any:
        return [super().serialize(*args, **kwargs)]

    def deserialize(self, *args: Any, **kwargs: Any) -> Any:
        return [super().deserialize(*args, **kwargs)]


class Own(Schema):
    a = Shouted()
    items = fields.List(Shouted())


class OwnGetting(Schema):
    b = Elsewhere()


class OwnWhole(Schema):
    c = Wrapped()


class Doubled(fields.Integer):
    def _format_num(self, value: Any) -> int:
        return super()._format_num(value) * 2


class Lenient(fields.String):
    def _validate_missing(self, value: Any) -> None:
        pass


class Numbers(Schema):
    a = fields.Integer(as_string=True)
    c = Doubled()


class OtherNumbers(Schema):
    b = fields.Decimal(places=1)
    items = fields.Float(allow_nan=True)


class Leniently(Schema):
    pop = Lenient(required=True)


class Others(Schema):
    a = fields.DateTime()
    b = fields.Tuple((fields.String(), fields.Integer()))
    c = fields.Dict(keys=fields.String(), values=fields.Integer())
    items = fields.Boolean()


class Before(Schema):
    a = fields.String(pre_load=lambda value: f"{value}!", validate=validate.Length(1, 3))


class After(Schema):
    b = fields.String(post_load=lambda value: f"{value}!")


class Processed(Schema):
    c = Text(longest=3, allow_none=True)
    items = Texts(most=2, longest=3)
    pop = JSONObject(allow_none=True)


class Dated(Timestamp):
    def _serialize(self, value: Any, *_: Any, **__: Any) -> Any:
        return value and str(value)


class Dates(Schema):
    a = Dated()
    b = Timestamp(data_key="x{y}'")


class BeforeDump(Small):
    @pre_dump
    def _before(self, record: Any, **_: Any) -> Any:
        return {"a": repr(record)}


class AfterDump(Small):
    @post_dump(pass_collection=True)
    def _after(self, dumped: Any, many: bool, **_: Any) -> Any:
        return {"many": many, "dumped": dumped}


class BeforeLoad(Small):
    @pre_load(pass_collection=True)
    def _before(self, body: Any, **_: Any) -> Any:
        return [{"a": "one"}] if isinstance(body, list) else body


class AfterLoad(Small):
    @post_load
    def _after(self, values: Any, **_: Any) -> Any:
        return tuple(values)


class Validated(Small):
    @validates("a")
    def _a(self, value: Any, **_: Any) -> None:
        if len(value) > 1:
            raise ValidationError("Too long.")

    @validates_schema
    def _all(self, values: Any, **_: Any) -> None:
        if len(values) > 1:
            raise ValidationError("Too much.", "b")


class Attributes(Small):
    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        return f"{attr} of {obj}"


class Including(Small):
    class Meta:
        unknown = INCLUDE


class Excluding(Small):
    class Meta:
        unknown = EXCLUDE


class WithoutIndexes(Small):
    class Meta:
        index_errors = False


class Handling(Small):
    def handle_error(self, error: ValidationError, data: Any, **_: Any) -> None:
        raise ValueError(f"{error} in {data}")


KINDS = [
    *[Constant, Before, After, Made, MadeOtherwise, MadeOfHooks, MadeOfItself],
    *[Small, Renamed, RenamedWithoutDots, OneKeyTwice, OneWay, Defaults, MethodsOfDicts, Called],
    *[
        Inside,
        Endless,
        Own,
        OwnGetting,
        OwnWhole,
        Numbers,
        OtherNumbers,
        Leniently,
        Others,
        Processed,
        Dates,
        BeforeDump,
        AfterDump,
        BeforeLoad,
    ],
    *[AfterLoad, Validated, Attributes, Including, Excluding, WithoutIndexes, Handling],
]
RECURSIVE = [Endless, MadeOfItself]
of_each = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


@cache
def records_of(kind: type[Schema]) -> SearchStrategy[dict[str, Any]]:
    return VALUES if kind in RECURSIVE else VALUES | broken(records(kind()))


@cache
def bodies_of(kind: type[Schema]) -> SearchStrategy[Any]:
    return VALUES | ODD if kind in RECURSIVE else broken(bodies(kind())) | VALUES.map(dict)


@of_each
@thorough
@given(st.data())
def test_it_dumps_as_marshmallow_does(kind: type[Schema], data: st.DataObject) -> None:
    """Whatever changes what is dumped."""
    check_dump(kind(), Dump(kind()), data.draw(st.lists(records_of(kind), max_size=3)))


@of_each
@thorough
@given(st.data(), st.sampled_from([None, True, False, ["a", "c.a"], 1]))
def test_it_loads_as_marshmallow_does(
    kind: type[Schema], data: st.DataObject, partial: Any
) -> None:
    """Whatever changes what is loaded."""
    schema = kind(partial=partial)
    check_load(schema, Load(schema), data.draw(st.lists(bodies_of(kind), max_size=3)))


@pytest.mark.parametrize("many", [None, 7, "text", (), {}, {"a": "b"}])
def test_what_is_no_list_is_refused_by_marshmallow(many: Any) -> None:
    """Or taken, as it sees fit."""
    schema = Small()
    expected = outcome(lambda: schema.load(many, many=True))
    assert outcome(lambda: Load(schema).many(many)) == expected


@thorough
@given(st.datetimes(timezones=st.timezones()) | st.uuids())
def test_ids_and_times_are_spelt_alike(value: Any) -> None:
    """By orjson and by Python, in any year and zone."""

    class Spelt(Schema):
        a = Timestamp() if hasattr(value, "year") else fields.UUID()

    check_dump(Spelt(), Dump(Spelt()), [{"a": value}])
