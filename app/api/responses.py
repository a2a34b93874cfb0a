"""JSON answers, and the conditions that a client may put on a request (RFC 9110, section 13)."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

import orjson
from flask import Response, request

from app.errors import VersionMismatch

if TYPE_CHECKING:
    from collections.abc import Mapping

# What follows a colon tells apart answers that differ while the version stays.
_VERSION = re.compile(r"([1-9][0-9]{0,9})(?::[0-9a-f:-]{1,80})?", re.ASCII)


def respond(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    response = Response(_to_json(body), status, mimetype="application/json")
    if headers:
        response.headers.update(headers)
    return response


def respond_with(
    body: dict[str, Any],
    status: int = 200,
    location: str | None = None,
    state: object = None,
    version: int | None = None,
) -> Response:
    """One resource, under its ETag; 304 where the client has it already.

    The ETag is the version, with the `state` of what may differ while the version stays.
    """
    version = body["version"] if version is None else version
    tag = str(version) if state is None else f"{version}:{state}"
    headers = {"ETag": f'"{tag}"'}
    if location is not None:
        headers["Location"] = location
    if request.method in ("GET", "HEAD"):
        expected = expected_versions()
        if expected is not None and version not in expected:
            raise VersionMismatch(version)
        if request.if_none_match.contains_weak(tag):
            return Response(status=304, headers=headers)
    return respond(body, status, headers)


def digest(body: Any) -> str:
    """What tells it apart from every other body."""
    return hashlib.sha256(_to_json(body)).hexdigest()[:32]


def no_content() -> Response:
    response = Response(status=204)
    del response.headers["Content-Type"]
    return response


def expected_versions() -> frozenset[int] | None:
    """The versions that If-Match names; None where any will do."""
    if "If-Match" not in request.headers or request.if_match.star_tag:
        return None
    tags: set[str | None] = request.if_match.as_set()  # type: ignore[assignment] # None for ""
    found = (_VERSION.fullmatch(tag) for tag in tags if tag)
    return frozenset(int(match[1]) for match in found if match)


def _to_json(body: Any) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:  # a number beyond 64 bits, which HTTP lets nobody write, is readable too
        return json.dumps(body, ensure_ascii=False, default=str).encode()
