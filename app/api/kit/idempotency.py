"""A POST may have an Idempotency-Key: then it is carried out once, however often it is sent."""

from __future__ import annotations

import json
import re
from functools import wraps
from typing import TYPE_CHECKING, Any

from flask import Response, request

from app.api.kit import bodies, context
from app.api.kit.context import current_request
from app.api.kit.problems import Problem
from app.services.kit.idempotency import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
LONGEST = 255
_KEPT = ("Content-Type", "Location", "ETag")
_BARE = re.compile(r"[\x20-\x7e]+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')  # a string of RFC 9651
_ESCAPED = re.compile(r"\\(.)")


def register(app: Flask) -> None:
    """Once all routes are there: none of them can forget it."""
    for rule in app.url_map.iter_rules():
        if "POST" in (rule.methods or ()):
            view: Callable[..., Any] = app.view_functions[rule.endpoint]
            app.view_functions[rule.endpoint] = _once(view)


def _once(view: Callable[..., Response]) -> Callable[..., Response]:
    @wraps(view)
    def once(**path: object) -> Response:
        if "HTTP_IDEMPOTENCY_KEY" not in current_request().environ:
            return view(**path)
        key, asked = _key(request.headers[HEADER].strip()), _canonical_request()
        return _response(context.idempotency().once(key, asked, lambda: _answer(view(**path))))

    return once


def _key(given: str) -> str:
    """The key, which may be sent quoted or bare."""
    quoted = _QUOTED.fullmatch(given) if given.startswith('"') else None
    key = _ESCAPED.sub(r"\1", quoted[1]) if quoted else given
    if (given.startswith('"') and not quoted) or len(key) > LONGEST or not _BARE.fullmatch(key):
        detail = f"It must be 1 to {LONGEST} printable ASCII characters, quoted or not."
        mistake = {"header": HEADER, "code": "idempotency-key-invalid", "detail": detail}
        raise Problem(400, "idempotency-key-invalid", detail, mistakes=[mistake])
    return key


def _canonical_request() -> bytes:
    """Two spellings of the same JSON are the same request."""
    body = json.dumps(bodies.read(empty_is_object=True), sort_keys=True, separators=(",", ":"))
    return f"{request.method}\n{request.path}\n{body}".encode()


def _answer(response: Response) -> Answer:
    headers = {name: response.headers[name] for name in _KEPT if name in response.headers}
    return Answer(response.status_code, headers, response.get_data())


def _response(answer: Answer) -> Response:
    response = Response(answer.body, answer.status, answer.headers)
    if answer.replayed:
        response.headers[REPLAYED] = "true"
    return response
