from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django.db import IntegrityError
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.response import Response

from benchmarks.peers.common.refusals import PROBLEM, Refused, broken, invalid, pointers_of

if TYPE_CHECKING:
    from collections.abc import Callable


def name_request(respond: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A middleware: each request has an id."""

    def middleware(request: Any) -> Any:
        request.request_id = uuid4().hex
        response = respond(request)
        response["X-Request-Id"] = request.request_id
        return response

    return middleware


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """The exception handler of REST framework."""
    refused = _refusal_of(error)
    if refused is None:
        return None
    request = context["request"]
    body = refused.as_problem(request.path, request.request_id)
    return Response(body, refused.status, headers=refused.headers, content_type=PROBLEM)


def _refusal_of(error: Exception) -> Refused | None:
    if isinstance(error, Refused):
        return error
    if isinstance(error, ValidationError):
        return invalid(pointers_of(error.detail))
    if isinstance(error, ParseError):
        return Refused(400, "malformed-json")
    if isinstance(error, IntegrityError):
        return broken(getattr(error.__cause__, "diag").constraint_name)  # noqa: B009 - psycopg2's
    return None
