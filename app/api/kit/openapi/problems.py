"""The problems that an answer may be, as the document describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.api.kit.problems import MEDIA_TYPE
from app.api.kit.rate_limits import LEFT, POLICY
from app.db.errors import MOST_MISTAKES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.api.kit.components import Shape
    from app.api.kit.problem_type import ProblemType

_ERROR: Shape = {
    "type": "object",
    "description": "One thing wrong with the input, and where.",
    "properties": {
        "pointer": {"type": "string", "description": "Into the body (RFC 6901)."},
        "parameter": {"type": "string"},
        "header": {"type": "string"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
    },
    "required": ["code", "detail"],
}
PROBLEM: Shape = {
    "type": "object",
    "description": "RFC 9457. The last part of `type` is what programs go by; GET it to read "
    "what it means.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {"$ref": "#/components/schemas/Error"},
            "maxItems": MOST_MISTAKES,
        },
        "errors_truncated": {
            "type": "boolean",
            "const": True,
            "description": f"There are more than {MOST_MISTAKES} mistakes; `errors` has the first.",
        },
        "from": {"type": "string", "description": "Of an invalid-transition: the status."},
        "allowed": {"type": "array", "items": {"type": "string"}},
        "expected": {"type": "integer", "description": "Of a count-mismatch."},
        "count": {"type": "integer"},
        "existing_id": {"type": "string", "format": "uuid"},
        "merged_into_id": {"type": "string", "format": "uuid"},
    },
    "required": ["type", "title", "status", "detail", "instance", "request_id"],
}
COMPONENTS = {"Error": _ERROR, "Problem": PROBLEM}
_HEADERS: dict[int, tuple[str, ...]] = {
    401: ("WWW-Authenticate",),
    415: ("Accept-Post",),
    429: ("Retry-After", LEFT, POLICY),
    503: ("Retry-After",),
}


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
        "description": ", ".join(f"`{code}`" for code in codes),
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {code: {"$ref": f"#/components/examples/{code}"} for code in codes},
            }
        },
    }
