"""Query strings, read strictly: what is unknown, repeated or malformed is refused."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from uuid import UUID

from flask import request

from app.api.context import settings
from app.db import Sort
from app.db.errors import InvalidCriterion
from app.db.repository.criteria import check
from app.domain.formats import parse_timestamp, parse_uuid

if TYPE_CHECKING:
    from collections.abc import Collection

    from app.db import Reader
    from app.db.repository.criteria import Filter

_MOST_PARAMETERS = 50
MOST_VALUES = 100
LONGEST_SEARCH = 200
_INTEGER = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_BOOLEANS = {"true": True, "false": False}


def read_parameters() -> dict[str, str]:
    """Every parameter once; raises InvalidCriterion."""
    try:
        pairs = parse_qsl(
            request.query_string.decode(),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_PARAMETERS,
        )
    except ValueError as error:
        raise InvalidCriterion("query", "It is not UTF-8, or has too many parameters.") from error
    found: dict[str, str] = {}
    for name, value in pairs:
        if "\0" in name or "\0" in value:
            raise InvalidCriterion(name.replace("\0", ""), "NUL is in no name and no value.")
        if name in found:
            raise InvalidCriterion(name, "It is given more than once.")
        found[name] = value
    return found


def check_known(given: Collection[str], known: Collection[str]) -> None:
    for name in given:
        if name not in known:
            raise InvalidCriterion(name, "There is no such parameter.")


def boolean(name: str, text: str) -> bool:
    if text not in _BOOLEANS:
        raise InvalidCriterion(name, "It must be true or false.")
    return _BOOLEANS[text]


def integer(name: str, text: str, allowed: range) -> int:
    if not _INTEGER.fullmatch(text) or int(text) not in allowed:
        raise InvalidCriterion(
            name, f"It must be an integer from {allowed.start} to {allowed.stop - 1}."
        )
    return int(text)


def limit(text: str | None) -> int:
    """How many items a page may have."""
    limits = settings()
    if text is None:
        return limits.default_page
    return integer("limit", text, range(1, limits.max_page + 1))


def search(text: str) -> str:
    if not text.strip() or len(text) > LONGEST_SEARCH:
        raise InvalidCriterion("q", f"It must have 1 to {LONGEST_SEARCH} characters.")
    return text


def sorting(text: str, reader: Reader[Any]) -> tuple[Sort, ...]:
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


def filter_value(reader: Reader[Any], name: str, text: str) -> Any:
    """The typed value of a filter parameter such as `created_at__gte`."""
    field, operator = check(reader.filters, name)
    if reader.filters[field].internal:
        raise InvalidCriterion(name, "There is no such filter.")
    if operator == "is_null":
        return boolean(name, text)
    declared = reader.filters[field]
    if operator != "in":
        return _typed(declared, name, text)
    values = text.split(",")
    if len(values) > MOST_VALUES:
        raise InvalidCriterion(name, f"It takes at most {MOST_VALUES} values.")
    return [_typed(declared, name, value) for value in values]


def _typed(declared: Filter, name: str, text: str) -> Any:
    kind = declared.type
    if not text:
        raise InvalidCriterion(name, "It must not be empty.")
    if kind is bool:
        return boolean(name, text)
    if kind is int:
        return integer(name, text, declared.integers)
    try:
        if kind is UUID:
            return parse_uuid(text)
        if kind is datetime:
            return parse_timestamp(text)
    except ValueError as error:
        raise InvalidCriterion(name, str(error)) from error
    return text
