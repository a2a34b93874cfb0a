"""Query strings, read strictly: an unknown, repeated or malformed parameter is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from flask import g

from app.db.errors import InvalidCriterion
from app.db.listing import parse_boolean, parse_integer

if TYPE_CHECKING:
    from collections.abc import Collection

    from app.settings import Settings


_MOST_PARAMETERS = 50
LONGEST_SEARCH = 200


def read_parameters(query: str) -> dict[str, str]:
    """The query string by name, as WSGI has it; raises InvalidCriterion.

    Views find it in `g.parameters`.
    """
    if not query:
        return {}
    try:
        pairs = parse_qsl(
            query.encode("latin-1").decode(),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_PARAMETERS,
        )
    except ValueError as error:
        raise InvalidCriterion("query", "It is not UTF-8, or has too many parameters.") from error
    found: dict[str, str] = {}
    for name, value in pairs:
        if "\0" in name or "\0" in value:
            raise InvalidCriterion(name.replace("\0", ""), "A name or value must not contain NUL.")
        if name in found:
            raise InvalidCriterion(name, "It is given more than once.")
        found[name] = value
    return found


def check_known(given: Collection[str], known: Collection[str]) -> None:
    for name in given:
        if name not in known:
            raise InvalidCriterion(name, "There is no such parameter.")


def limit(limits: Settings) -> int:
    """The largest number of items on the page."""
    if "limit" not in g.parameters:
        return limits.default_page
    return parse_integer("limit", g.parameters["limit"], range(1, limits.max_page + 1))


def flag(name: str) -> bool:
    """Whether the parameter is true; an absent one is false."""
    return name in g.parameters and parse_boolean(name, g.parameters[name])


def search(text: str) -> str:
    if not text.strip() or len(text) > LONGEST_SEARCH:
        raise InvalidCriterion("q", f"It must have 1 to {LONGEST_SEARCH} characters.")
    return text
