"""JSON answers, and the conditions that a client may put on a request (RFC 9110, section 13)."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import orjson
from flask import Response

from app.api.kit.context import current_request
from app.api.kit.json_response import JSONResponse
from app.api.kit.json_text import to_json
from app.db.errors import VersionMismatch
from app.domain.known_states import KnownStates, StateMismatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from flask import Request

    from app.api.kit.json_response import Field
    from app.db import Record

_ENVELOPE = 4096  # bytes for the fields of a list beside its items, cursor included

# After a colon: a state that may differ between responses while the version stays.
_VERSION = re.compile(r"([1-9][0-9]{0,9})(?::[0-9a-f:-]{1,80})?", re.ASCII)
_STATE = re.compile(r"([1-9][0-9]{0,9})(?::([0-9]{1,10}))?(?::[0-9a-f]{32})?", re.ASCII)


def respond(body: object, status: int = 200, headers: Iterable[Field] = ()) -> Response:
    return JSONResponse(to_json(body), status, headers)


def write_page(
    items: Sequence[object], max_answer: int, rest: Callable[[int], Record]
) -> tuple[bytes, Record]:
    """A page as JSON, with the first items, as many as a response may hold; one at least.

    `rest(number)` are the other fields of a page with so many items. They are returned too.
    """
    fields = rest(len(items))
    page = to_json({"items": items, **fields})
    if len(page) <= max_answer - _ENVELOPE:
        return page, fields
    written = _written(items, max_answer - _ENVELOPE)
    fields = rest(len(written))
    return to_json({"items": written, **fields}), fields


def _written(items: Iterable[object], most: int) -> list[orjson.Fragment]:
    """The first items as JSON, at most so many bytes; one at least, whatever its size."""
    written: list[orjson.Fragment] = []
    size = 0
    for item in items:
        data = to_json(item)
        size += len(data) + 1  # with its comma
        if written and size > most:
            break
        written.append(orjson.Fragment(data))
    return written


def respond_with(
    body: Record,
    status: int = 200,
    location: str | None = None,
    state: object = None,
    version: int | None = None,
    *,
    number: int | None = None,
) -> Response:
    """One resource, under its ETag; 304 where the client has it already.

    The ETag is the version, with the `state` that may differ while the version stays. A
    `number` counts changes that do not raise the version: If-Match compares it too.
    """
    version = body["version"] if version is None else version
    tag = f"{version}" if number is None else f"{version}:{number}"
    if state is not None:
        tag = f"{tag}:{state}"
    headers = [("ETag", f'"{tag}"')]
    if location is not None:
        headers.append(("Location", location))
    request = current_request()
    if request.method in ("GET", "HEAD"):
        _check_if_match(request, version, number)
        if "HTTP_IF_NONE_MATCH" in request.environ and request.if_none_match.contains_weak(tag):
            return Response(status=304, headers=headers)
    return respond(body, status, headers)


def digest(body: object) -> str:
    """A text that no other body has."""
    return hashlib.sha256(to_json(body)).hexdigest()[:32]


def no_content() -> Response:
    response = Response(status=204)
    del response.headers["Content-Type"]
    return response


def expected_versions() -> frozenset[int] | None:
    """The versions that If-Match names; None where any will do."""
    if (tags := _if_match(current_request())) is None:
        return None
    found = (_VERSION.fullmatch(tag) for tag in tags)
    return frozenset(int(match[1]) for match in found if match)


def expected_states() -> KnownStates | None:
    """As `expected_versions`, with the number that an ETag holds after the version."""
    if (tags := _if_match(current_request())) is None:
        return None
    found = [match for tag in tags if (match := _STATE.fullmatch(tag))]
    return KnownStates((int(match[1]), int(match[2]) if match[2] else None) for match in found)


def _if_match(request: Request) -> set[str] | None:
    if "HTTP_IF_MATCH" not in request.environ or request.if_match.star_tag:
        return None
    tags: set[str | None] = request.if_match.as_set()  # type: ignore[assignment] # None for ""
    return {tag for tag in tags if tag}


def _check_if_match(request: Request, version: int, number: int | None) -> None:
    if "HTTP_IF_MATCH" not in request.environ:
        return
    if number is None:
        expected = expected_versions()
        if expected is not None and version not in expected:
            raise VersionMismatch(version)
    else:
        states = expected_states()
        if states is not None and version not in states.at(number):
            raise StateMismatch(version, number)
