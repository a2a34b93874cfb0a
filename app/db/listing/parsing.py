"""Filters and sorts from text, read strictly. Everything that is wrong is InvalidCriterion."""

import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from ..errors import InvalidCriterion
from ..repository.criteria import Filter, check
from ..repository.pages import Sort
from ..repository.reading import Reader
from .formats import parse_date, parse_decimal, parse_float, parse_timestamp, parse_uuid

MOST_VALUES = 100
"""The most values of an `in` filter."""

_INTEGER = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_BOOLEANS = {"true": True, "false": False}
_PARSERS: dict[type, Callable[[str], Any]] = {
    UUID: parse_uuid,
    datetime: parse_timestamp,
    date: parse_date,
    Decimal: parse_decimal,
    float: parse_float,
}


def parse_filter(reader: Reader[Any], name: str, text: str) -> Any:
    """The typed value of a filter such as `created_at__gte`."""
    field, operator = check(reader.filters, name)
    declared = reader.filters[field]
    if declared.internal:
        raise InvalidCriterion(name, "There is no such filter.")
    if operator == "is_null":
        return parse_boolean(name, text)
    if operator != "in":
        return _typed(declared, name, text)
    values = text.split(",")
    if len(values) > MOST_VALUES:
        raise InvalidCriterion(name, f"It takes at most {MOST_VALUES} values.")
    return [_typed(declared, name, value) for value in values]


def parse_sort(reader: Reader[Any], text: str) -> tuple[Sort, ...]:
    """`-created_at,name`: by time, the newest first, then by name."""
    by = tuple(Sort(name.removeprefix("-"), name.startswith("-")) for name in text.split(","))
    names = [sort.name for sort in by]
    if len(set(names)) != len(names):
        raise InvalidCriterion("sort", "A field stands in it twice.")
    for name in names:
        if name not in reader.sorts:
            choices = ", ".join(sorted(reader.sorts))
            raise InvalidCriterion("sort", f"Cannot sort by '{name}'. Use one of {choices}.")
    return by


def parse_boolean(name: str, text: str) -> bool:
    if text not in _BOOLEANS:
        raise InvalidCriterion(name, "It must be true or false.")
    return _BOOLEANS[text]


def parse_integer(name: str, text: str, allowed: range) -> int:
    if not _INTEGER.fullmatch(text) or int(text) not in allowed:
        raise InvalidCriterion(
            name, f"It must be an integer from {allowed.start} to {allowed.stop - 1}."
        )
    return int(text)


def _typed(declared: Filter, name: str, text: str) -> Any:
    kind = declared.type
    if not text:
        raise InvalidCriterion(name, "It must not be empty.")
    if kind is bool:
        return parse_boolean(name, text)
    if kind is int:
        return parse_integer(name, text, declared.integers)
    if issubclass(kind, Enum):
        return _member(kind, name, text)
    try:
        return _PARSERS[kind](text) if kind in _PARSERS else text
    except ValueError as error:
        raise InvalidCriterion(name, str(error)) from error


def _member(kind: type[Enum], name: str, text: str) -> Enum:
    for member in kind:
        if str(member.value) == text:
            return member
    raise InvalidCriterion(name, f"It must be one of {', '.join(str(m.value) for m in kind)}.")
