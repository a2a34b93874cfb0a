"""Every schema of the project, and data for them: right, and then broken in places."""

from __future__ import annotations

import importlib
import pkgutil
from datetime import UTC, timedelta, timezone
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from marshmallow import Schema, fields, missing, validate

import app.api.schemas
from app.api.kit import fields as ours
from app.api.kit.actors import Actor
from app.api.schemas.money import Currency, Money
from app.domain.money import DIGITS

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


thorough = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


class Word(StrEnum):
    ONE = "one"


class Text(str):
    __slots__ = ()


IDS = st.uuids()
TIMES = st.datetimes(timezones=st.just(UTC))
TEXTS = st.text(max_size=4)
OBJECTS = st.dictionaries(TEXTS, st.integers() | TEXTS, max_size=2)
ODD: SearchStrategy[Any] = st.one_of(
    *[st.none(), st.booleans(), st.integers(), st.floats(), st.binary(max_size=4), TEXTS],
    *[IDS, IDS.map(str), TIMES, TIMES.map(str), OBJECTS, st.lists(TEXTS, max_size=3)],
    st.sampled_from([Word.ONE, Text("text"), 10**30, missing, "", " ", "1"]),
    st.datetimes(),
    st.datetimes(timezones=st.just(timezone(timedelta(hours=5, minutes=30)))),
    st.lists(st.none() | st.integers() | IDS, max_size=3),
).map(lambda value: value)  # so that it is one choice among others, not twenty


def every_schema() -> list[type[Schema]]:
    package = app.api.schemas
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
    found = (kind for kind in _below(Schema) if kind.__module__.startswith(package.__name__))
    return sorted(found, key=lambda kind: kind.__name__)


def _below(kind: type[Schema]) -> set[type[Schema]]:
    below = set(kind.__subclasses__())
    return below.union(*map(_below, below))


def records(schema: Schema) -> SearchStrategy[dict[str, Any]]:
    """What is dumped."""
    values: dict[str, SearchStrategy[Any]] = {}
    for name, field in schema.dump_fields.items():
        if isinstance(field, Actor):
            parts = {"kind": TEXTS, "id": IDS, "name": TEXTS}
            values |= {f"{field.prefix}_{part}": of for part, of in parts.items()}
        else:
            values[field.attribute or name] = _dumped(field)
    if any(isinstance(field, Money) for field in schema.dump_fields.values()):
        values.setdefault("currency", st.sampled_from(sorted(DIGITS)))
    return st.fixed_dictionaries(values)


def _dumped(field: Any) -> SearchStrategy[Any]:
    of: dict[type, SearchStrategy[Any]] = {
        Currency: st.sampled_from(sorted(DIGITS)),
        Money: st.integers(-(10**15), 10**15),
        fields.String: TEXTS,
        fields.Number: st.integers(-9, 9),
        fields.Boolean: st.booleans(),
        fields.UUID: IDS,
        ours.Timestamp: TIMES,
        ours.JSONObject: OBJECTS,
    }
    if isinstance(field, fields.List):
        return st.none() | st.lists(_dumped(field.inner), max_size=3)
    if isinstance(field, fields.Nested):
        one = broken(records(field.schema))
        return st.none() | (st.lists(one, max_size=2) if field.many else one)
    return st.none() | next((of[kind] for kind in of if isinstance(field, kind)), ODD)


def bodies(schema: Schema) -> SearchStrategy[dict[str, Any]]:
    """What is loaded."""
    required: dict[str, SearchStrategy[Any]] = {}
    others: dict[str, SearchStrategy[Any]] = {}
    for name, field in schema.load_fields.items():
        (required if field.required else others)[field.data_key or name] = _loaded(field)
    return st.fixed_dictionaries(required, optional=others)


def _loaded(field: Any) -> SearchStrategy[Any]:
    money = st.fixed_dictionaries({"amount": st.just("1.5"), "currency": st.just("GBP")})
    of: dict[type, SearchStrategy[Any]] = {
        Currency: st.sampled_from(sorted(DIGITS)),
        Money: money,
        ours.Email: st.just("ann@firm.example"),
        fields.String: _texts(field),
        fields.Number: st.integers(1, 9),
        fields.Boolean: st.booleans(),
        fields.UUID: IDS.map(str),
        ours.Timestamp: TIMES.map(lambda time: time.isoformat()),
        ours.JSONObject: OBJECTS,
    }
    if isinstance(field, fields.List):
        return st.lists(_loaded(field.inner), max_size=3)
    if isinstance(field, fields.Nested):
        one = broken(bodies(field.schema))
        return st.lists(one, max_size=2) if field.many else one
    return next((of[kind] for kind in of if isinstance(field, kind)), ODD)


def _texts(field: Any) -> SearchStrategy[str]:
    for rule in getattr(field, "validators", ()):
        if isinstance(rule, validate.OneOf):
            return st.sampled_from(list(rule.choices))
    return st.text("abc", min_size=1, max_size=5) | TEXTS


@st.composite
def broken(draw: Any, right: SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    """Half of them as they were, others with values that are odd, missing or too much."""
    value: dict[str, Any] = dict(draw(right))
    if not value or draw(st.booleans()):
        return value
    for name in draw(st.lists(st.sampled_from([*value, "other"]), max_size=3)):
        if draw(st.booleans()):
            value[name] = draw(ODD)
        else:
            value.pop(name, None)
    return value
