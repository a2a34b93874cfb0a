"""The problems that an answer may be, as the document describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.api.kit.problems import MEDIA_TYPE
from app.api.kit.rate_limits import LEFT, POLICY
from app.db.errors import MOST_MISTAKES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.api.kit.components import Shape
    from app.api.kit.problem_type import ProblemType


def _text(description: str) -> Shape:
    return {"type": "string", "description": description}


_ERROR: Shape = {
    "type": "object",
    "description": "One mistake in the request, and its place.",
    "properties": {
        "pointer": _text("A JSON Pointer (RFC 6901) to the place in the body."),
        "parameter": _text("The name of the parameter of the query string."),
        "header": _text("The name of the header."),
        "code": _text("The kind of mistake, for programs."),
        "detail": _text("The mistake in words."),
    },
    "required": ["code", "detail"],
}
_PROBLEM: Shape = {
    "type": "object",
    "description": "A problem (RFC 9457). Programs go by the last part of `type`; GET `type` for "
    "an explanation.",
    "properties": {
        "type": _text("The address of the page that explains this kind of problem."),
        "title": _text("The kind of problem in words."),
        "status": {"type": "integer", "description": "The status of the response."},
        "detail": _text("This problem in words."),
        "instance": _text("The path of the request."),
        "request_id": _text("The value of X-Request-Id, which the log of the service has too."),
        "errors": {
            "type": "array",
            "description": "Each mistake of the request, with its place.",
            "items": {"$ref": "#/components/schemas/Error"},
            "maxItems": MOST_MISTAKES,
        },
        "errors_truncated": {
            "type": "boolean",
            "const": True,
            "description": f"There are more than {MOST_MISTAKES} mistakes; `errors` has the first.",
        },
    },
    "required": ["type", "title", "status", "detail", "instance", "request_id"],
}
_HEADERS: dict[int, tuple[str, ...]] = {
    401: ("WWW-Authenticate",),
    415: ("Accept-Post",),
    429: ("Retry-After", LEFT, POLICY),
    503: ("Retry-After",),
}


def components(facts: Mapping[str, Shape]) -> dict[str, Shape]:
    """The schemas of problems and of their `errors`, by name. `facts` are of some problems only."""
    properties = {**_PROBLEM["properties"], **facts}
    return {"Error": _ERROR, "Problem": {**_PROBLEM, "properties": properties}}


def example_of(kind: ProblemType) -> Shape:
    return {
        "summary": kind.example.detail,
        "description": f"{kind.meaning} {kind.what_to_do}",
        "value": kind.example_body,
    }


def responses_of(kinds: Iterable[ProblemType], method: str) -> Shape:
    """By status: the responses that are problems of these types."""
    found: dict[int, list[str]] = {}
    for code, status in sorted({(kind.code, kind.status) for kind in kinds}):
        found.setdefault(status, []).append(code)
    special = _HEADERS | ({415: ("Accept-Patch",)} if method == "PATCH" else {})
    return {
        str(status): _response(found[status], special.get(status, ())) for status in sorted(found)
    }


def _response(codes: list[str], headers: tuple[str, ...]) -> Shape:
    names = ["X-Request-Id", *headers]
    return {
        "description": f"A problem: {', '.join(f'`{code}`' for code in codes)}.",
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {code: {"$ref": f"#/components/examples/{code}"} for code in codes},
            }
        },
    }
