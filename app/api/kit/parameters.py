"""Query strings, read strictly: an unknown, repeated or malformed parameter is refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from app.api.kit.context import request_data
from app.db.errors import InvalidCriterion
from app.db.listing import parse_boolean, parse_integer

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from app.settings import Settings


_MOST_PARAMETERS = 50
LONGEST_SEARCH = 200
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]*", re.ASCII)  # RFC 3986
_ESCAPED = re.compile(r"[^!-~]|[%+]")  # and what no query string may hold


def read_parameters(query: str) -> dict[str, str]:
    """The query string by name, as WSGI has it; raises InvalidCriterion.

    Views find it in `g.parameters`.
    """
    if not query:
        return {}
    found: dict[str, str] = {}
    for name, value in _pairs(query):
        if "\0" in name or "\0" in value:
            raise InvalidCriterion(name.replace("\0", ""), "A name or value must not contain NUL.")
        if name in found:
            raise InvalidCriterion(name, "It is given more than once.")
        found[name] = value
    return found


def _pairs(query: str) -> list[tuple[str, str]]:
    if not _ESCAPED.search(query) and query.count("&") < _MOST_PARAMETERS:
        parts = [part.partition("=") for part in query.split("&") if part]
        return [(name, value) for name, _, value in parts]
    try:
        return parse_qsl(
            query.encode("latin-1").decode(),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_PARAMETERS,
        )
    except ValueError as error:
        raise InvalidCriterion("query", "It is not UTF-8, or has too many parameters.") from error


def query_string(given: Mapping[str, str]) -> str:
    """The parameters as a URL has them."""
    if not _UNRESERVED.fullmatch("".join([*given, *given.values()])):
        return urlencode(given)
    return "&".join([f"{name}={value}" for name, value in given.items()])


def check_known(given: Collection[str], known: Collection[str]) -> None:
    for name in given:
        if name not in known:
            raise InvalidCriterion(name, "There is no such parameter.")


def limit(limits: Settings) -> int:
    """The largest number of items on the page."""
    given = request_data().parameters
    if "limit" not in given:
        return limits.default_page
    return parse_integer("limit", given["limit"], range(1, limits.max_page + 1))


def flag(name: str) -> bool:
    """Whether the parameter is true; an absent one is false."""
    given = request_data().parameters
    return name in given and parse_boolean(name, given[name])


def search(text: str) -> str:
    if not text.strip() or len(text) > LONGEST_SEARCH:
        raise InvalidCriterion("q", f"It must have 1 to {LONGEST_SEARCH} characters.")
    return text
