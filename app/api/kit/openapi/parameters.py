"""Parameters and headers: of every route, of lists, and of answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.api.kit.expansions import paths_of
from app.api.kit.idempotency import HEADER, LONGEST, REPLAYED
from app.api.kit.openapi.examples import ID as EXAMPLE
from app.api.kit.openapi.filters import BOOLEAN, ID, STRING, meaning_of, shape_of
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

_KEPT = "The id of the request: 1 to 64 of `A-Za-z0-9._-`. Without it, the service makes one."
_REPEATED = (
    "A name of the request. Sent again with the same name, it is not carried out again: the stored "
    "response is returned."
)
_DELETED = "Whether deleted rows are found too. Only administrators may ask for them."

_SORT = "Fields to sort by, the most important first. `-` before a name: in descending order."
_EXPAND = "References to show in full; null where there is no resource that the caller may read."
_FIELDS = "The fields to show, besides the expanded references. Without it, all are shown."

_HEADERS = {
    "ETag": "The version of the resource, in quotes.",
    "Location": "The address of the new resource.",
    "Link": 'The address of the next page: `<...>; rel="next"`.',
    REPLAYED: "`true` if this is the stored response to an earlier request.",
    LEFT: 'The requests left, and the seconds until there are more: `"token";r=999;t=1`.',
    POLICY: 'The requests that are allowed, and in how many seconds: `"token";q=1000;w=1`.',
    "X-Request-Id": "The id of the request, which the log of the service has too.",
    "Accept-Post": "The media types that a body may have.",
    "Accept-Patch": "The media types that a body may have.",
    "Retry-After": "The seconds to wait before the request is sent again.",
    "WWW-Authenticate": "The scheme of authentication: Bearer.",
}
HEADERS: Shape = {
    name: {"schema": {"type": "string"}, "description": description}
    for name, description in _HEADERS.items()
}


def common(settings: Settings, problem_types: Mapping[str, ProblemType]) -> dict[str, Parameter]:
    """Those that more than one route has, by the name under which they are referred to."""
    limit = {"type": "integer", "minimum": 1, "maximum": settings.max_page}
    limit["default"] = settings.default_page
    code: Shape = {"type": "string", "enum": sorted(problem_types)}
    return {
        "id": _in_path("id", {**ID, "examples": [EXAMPLE]}, "The id of the resource."),
        "code": _in_path("code", code, "The code of a problem: the last part of its `type`."),
        "X-Request-Id": _header("X-Request-Id", {"type": "string"}, _KEPT),
        HEADER: _header(HEADER, _KEY, _REPEATED),
        "If-Match": _header("If-Match", _TAG, "The ETag to change: any other is refused with 412."),
        "If-None-Match": _header("If-None-Match", _TAG, "The ETag for which to return just 304."),
        "limit": _parameter("limit", limit, "The largest number of items on a page."),
        "cursor": _parameter("cursor", STRING, "The `next_cursor` of the page before."),
        "q": _parameter("q", _WORDS, "Only rows in which all of these words occur."),
        "include_total": _parameter("include_total", BOOLEAN, "Whether to count all rows."),
        "include_deleted": _parameter("include_deleted", BOOLEAN, _DELETED),
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
    yield _commas(_parameter("sort", sort, _SORT))
    for field, declared in reader.filters.items():
        if not declared.internal and field != within:
            yield from _of_filter(field, declared)


def of_selection(schema: type[Schema]) -> Iterator[Parameter]:
    """Those that choose the parts of a resource to return."""
    if paths := list(paths_of(schema)):
        yield _commas(_parameter("expand", _some_of(paths), _EXPAND))
    yield _commas(_parameter("fields", _some_of(fields_of(schema)), _FIELDS))


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
            yield _commas(_parameter(name, several, meaning_of(field, operator)))
        else:
            value = BOOLEAN if operator == "is_null" else shape
            yield _parameter(name, value, meaning_of(field, operator))


def _parameter(name: str, shape: Shape, description: str) -> Parameter:
    return {"name": name, "in": "query", "schema": shape, "description": description}


def _in_path(name: str, shape: Shape, description: str) -> Parameter:
    return {**_parameter(name, shape, description), "in": "path", "required": True}


def _header(name: str, shape: Shape, description: str) -> Parameter:
    return {**_parameter(name, shape, description), "in": "header"}


def _commas(parameter: Parameter) -> Parameter:
    return {**parameter, "style": "form", "explode": False}
