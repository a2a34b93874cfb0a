"""Parameters and headers: of every route, of lists, and of answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.api.kit.expansions import paths_of
from app.api.kit.idempotency import HEADER, LONGEST, REPLAYED
from app.api.kit.openapi.examples import ID as EXAMPLE
from app.api.kit.openapi.filters import BOOLEAN, ID, STRING, shape_of
from app.api.kit.parameters import LONGEST_SEARCH
from app.api.kit.rate_limits import LEFT, POLICY
from app.api.kit.selection import fields_of
from app.db.listing import MOST_VALUES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from marshmallow import Schema

    from app.api.kit.components import Shape
    from app.api.kit.problem_type import ProblemType
    from app.db import Reader, Resource
    from app.db.repository.criteria import Filter
    from app.settings import Settings

    Parameter = Shape

_BETWEEN_COMMAS: Shape = {"type": "string", "pattern": r"^[^\u0000,]+$"}
_WORDS: Shape = {
    "type": "string",
    "pattern": r"^[^\u0000]*[^\s\u0000\u001c-\u001f\u0085][^\u0000]*$",
    "maxLength": LONGEST_SEARCH,
}
_TAG: Shape = {"type": "string"}
_KEY: Shape = {"type": "string", "pattern": r"^[!#-~]([ -~]*[!-~])?$", "maxLength": LONGEST}

_KEPT = "Kept and answered, if it is 1 to 64 of `A-Za-z0-9._-`."

HEADERS: Shape = {
    "ETag": {"schema": _TAG, "description": "The version of what is answered, in quotes."},
    "Location": {"schema": {"type": "string"}, "description": "Where the thing is from now on."},
    "Link": {"schema": {"type": "string"}, "description": 'The next page: `<...>; rel="next"`.'},
    REPLAYED: {"schema": {"type": "string"}, "description": "`true` where it was given before."},
    LEFT: {
        "schema": {"type": "string"},
        "description": 'Left: `"token";r=<requests>;t=<seconds>`.',
    },
    POLICY: {"schema": {"type": "string"}, "description": '`"token";q=<requests>;w=<seconds>`.'},
    "X-Request-Id": {"schema": {"type": "string"}, "description": "What the log calls it."},
    "Accept-Post": {"schema": {"type": "string"}, "description": "What a body may be."},
    "Accept-Patch": {"schema": {"type": "string"}, "description": "What a body may be."},
    "Retry-After": {"schema": {"type": "string"}, "description": "In seconds."},
    "WWW-Authenticate": {"schema": {"type": "string"}, "description": "Bearer."},
}


def common(settings: Settings, problem_types: Mapping[str, ProblemType]) -> dict[str, Parameter]:
    """Those that more than one route has, by the name under which they are referred to."""
    limit = {"type": "integer", "minimum": 1, "maximum": settings.max_page}
    limit["default"] = settings.default_page
    code: Shape = {"type": "string", "enum": sorted(problem_types)}
    return {
        "id": {**_parameter("id", {**ID, "examples": [EXAMPLE]}), "in": "path", "required": True},
        "code": {
            **_parameter("code", code, "The code of a problem: the last part of its `type`."),
            "in": "path",
            "required": True,
        },
        "X-Request-Id": _header("X-Request-Id", {"type": "string"}, _KEPT),
        HEADER: _header(HEADER, _KEY, "Names the request, so that it can be repeated."),
        "If-Match": _header("If-Match", _TAG, "Only at this version: 412 at any other."),
        "If-None-Match": _header("If-None-Match", _TAG, "What the client has: 304 to the same."),
        "limit": _parameter("limit", limit, "How many items at most."),
        "cursor": _parameter("cursor", STRING, "`next_cursor`."),
        "q": _parameter("q", _WORDS, "Words that all occur."),
        "include_total": _parameter("include_total", BOOLEAN, "Count the items too."),
        "include_deleted": _parameter("include_deleted", BOOLEAN, "For admins."),
    }


def of_list(reader: Reader[Resource], within: str | None) -> Iterator[Parameter | str]:
    """The names of common ones, the sort, and a parameter per filter and operator."""
    yield from ("limit", "cursor", "include_total")
    if reader.searched is not None:
        yield "q"
    if hasattr(reader.model, "deleted_at"):
        yield "include_deleted"
    choices = [f"{sign}{name}" for name in reader.sorts for sign in ("", "-")]
    sort: Shape = {"type": "array", "items": {"type": "string", "enum": choices}}
    sort |= {"minItems": 1, "maxItems": len(reader.sorts), "uniqueItems": True}
    yield _commas(_parameter("sort", sort, "The first counts most; `-` is descending."))
    for field, declared in reader.filters.items():
        if not declared.internal and field != within:
            yield from _of_filter(field, declared)


def of_selection(schema: type[Schema]) -> Iterator[Parameter]:
    """What of a resource is shown."""
    if paths := list(paths_of(schema)):
        told = "Shown in full beside its id; null where there is nothing that the caller may read."
        yield _commas(_parameter("expand", _some_of(paths), told))
    told = "Shown alone, with what is expanded."
    yield _commas(_parameter("fields", _some_of(fields_of(schema)), told))


def _some_of(names: Sequence[str]) -> Shape:
    several: Shape = {"type": "array", "items": {"type": "string", "enum": list(names)}}
    return several | {"minItems": 1, "maxItems": len(names), "uniqueItems": True}


def _of_filter(field: str, declared: Filter) -> Iterator[Parameter]:
    shape = shape_of(declared)
    for operator in sorted(declared.operators, key=lambda name: (name != "eq", name)):
        name = field if operator == "eq" else f"{field}__{operator}"
        if operator == "in":
            item = _BETWEEN_COMMAS if shape is STRING else shape
            several = {"type": "array", "items": item, "minItems": 1, "maxItems": MOST_VALUES}
            yield _commas(_parameter(name, several))
        else:
            yield _parameter(name, BOOLEAN if operator == "is_null" else shape)


def _parameter(name: str, shape: Shape, description: str | None = None) -> Parameter:
    told = {} if description is None else {"description": description}
    return {"name": name, "in": "query", "schema": shape, **told}


def _header(name: str, shape: Shape, description: str) -> Parameter:
    return {**_parameter(name, shape, description), "in": "header"}


def _commas(parameter: Parameter) -> Parameter:
    return {**parameter, "style": "form", "explode": False}
