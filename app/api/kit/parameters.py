"""Query strings, read strictly: what is unknown, repeated or malformed is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from flask import request

from app.api.kit.context import settings
from app.db.errors import InvalidCriterion
from app.db.listing import parse_integer

if TYPE_CHECKING:
    from collections.abc import Collection


_MOST_PARAMETERS = 50
LONGEST_SEARCH = 200


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


def limit(text: str | None) -> int:
    """How many items a page may have."""
    limits = settings()
    if text is None:
        return limits.default_page
    return parse_integer("limit", text, range(1, limits.max_page + 1))


def search(text: str) -> str:
    if not text.strip() or len(text) > LONGEST_SEARCH:
        raise InvalidCriterion("q", f"It must have 1 to {LONGEST_SEARCH} characters.")
    return text
