"""Every error becomes application/problem+json (RFC 9457), here and nowhere else."""

from __future__ import annotations

import logging
from http.client import INTERNAL_SERVER_ERROR, NOT_FOUND
from typing import TYPE_CHECKING

from flask import Flask, g, request
from werkzeug.exceptions import HTTPException

from app import errors
from app.api.kit.responses import respond
from app.db import errors as db_errors
from app.domain.idempotency import KeyReused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from flask import Response

    from app.db import Record

logger = logging.getLogger(__name__)

STATUS: dict[type[db_errors.ApplicationError], int] = {
    errors.NotFound: 404,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.RateLimited: 429,
    db_errors.Invalid: 422,
    db_errors.InvalidCriterion: 400,
    KeyReused: 422,
    db_errors.Conflict: 409,
    db_errors.VersionMismatch: 412,
    db_errors.Unavailable: 503,
    db_errors.NotPermitted: 500,
    db_errors.ReadOnlyViolation: 500,
}
"""By class; a subclass has its parent's."""

MEDIA_TYPE = "application/problem+json"
_RETRY_AFTER = "1"  # seconds
_MOST_IN_DETAIL = 5

_CODES = {
    400: "bad-request",
    404: "not-found",
    405: "method-not-allowed",
    413: "body-too-large",
    415: "unsupported-media-type",
}
_NO_PATH = (
    "Nothing is at this path. An id in a path is a UUID in lower case; no path ends in a slash."
)


class Problem(Exception):
    """A request that HTTP itself, not a rule of the domain, has answered."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        mistakes: Iterable[dict[str, str]] = (),
        facts: Mapping[str, object] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.mistakes, self.facts, self.headers = list(mistakes), facts or {}, headers or {}
        if len(self.mistakes) > db_errors.MOST_MISTAKES:
            self.mistakes = self.mistakes[: db_errors.MOST_MISTAKES]
            self.facts = {**self.facts, "errors_truncated": True}


def register(app: Flask) -> None:
    app.register_error_handler(Problem, _answer)
    app.register_error_handler(db_errors.ApplicationError, _answer_error)
    app.register_error_handler(HTTPException, lambda error: _answer(_of_framework(error)))
    app.register_error_handler(Exception, lambda error: _answer(_of_bug(error)))


def status_of(error: type[db_errors.ApplicationError]) -> int:
    return next(STATUS[kind] for kind in error.__mro__ if kind in STATUS)


def pointer(path: Iterable[str | int]) -> str:
    """A JSON Pointer (RFC 6901)."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)


def _answer_error(error: db_errors.ApplicationError) -> Response:
    if status_of(type(error)) == INTERNAL_SERVER_ERROR:
        return _answer(_of_bug(error))
    if isinstance(error, db_errors.Unavailable):
        logger.warning("%s: %s", error.code, error, exc_info=error)
    if isinstance(error, errors.AlreadyExists) and (existing := error.existing_id()) is not None:
        error.facts = {"existing_id": str(existing)}
    return _answer(problem_of(error))


def problem_of(error: db_errors.ApplicationError) -> Problem:
    detail, mistakes = str(error), list(_mistakes(error))
    if isinstance(error, db_errors.Invalid):
        detail = _summary(len(mistakes)) or detail
    return Problem(
        status_of(type(error)),
        error.code,
        detail,
        mistakes=mistakes,
        facts=error.facts,
        headers=_headers(error),
    )


def _mistakes(error: db_errors.ApplicationError) -> Iterator[dict[str, str]]:
    """The `errors` of the problem: each names a place in the request."""
    if isinstance(error, db_errors.Invalid):
        for mistake in error.mistakes:
            yield {"pointer": pointer(mistake.path), "code": mistake.code, "detail": mistake.detail}
    elif isinstance(error, db_errors.InvalidCriterion):
        yield {"parameter": error.parameter, "code": error.code, "detail": error.detail}
    elif isinstance(error, KeyReused):
        yield {"header": "Idempotency-Key", "code": error.code, "detail": str(error)}
    elif isinstance(error, errors.InUse):
        for dependant in error.dependants:
            yield {"pointer": "", "code": error.code, "detail": dependant}
    elif isinstance(error, db_errors.Conflict):
        is_taken = isinstance(error, errors.AlreadyExists)
        detail = "Another row has this value." if is_taken else str(error)
        for path in error.paths:
            yield {"pointer": pointer(path), "code": error.code, "detail": detail}


def _headers(error: db_errors.ApplicationError) -> dict[str, str]:
    if isinstance(error, errors.Unauthenticated):
        return {"WWW-Authenticate": _challenge(error)}
    if isinstance(error, errors.RateLimited):
        return {"Retry-After": str(error.wait)}
    return {"Retry-After": _RETRY_AFTER} if isinstance(error, db_errors.Unavailable) else {}


def _summary(count: int) -> str | None:
    """The detail where there are too many mistakes to repeat them in it."""
    if count > db_errors.MOST_MISTAKES:
        return f"There are many mistakes; `errors` lists the first {db_errors.MOST_MISTAKES}."
    if count > _MOST_IN_DETAIL:
        return f"There are {count} mistakes; `errors` names them all."
    return None


def _challenge(error: errors.Unauthenticated) -> str:
    """RFC 6750, section 3.1: an error is named only where a token was shown."""
    invalid = ', error="invalid_token"' if isinstance(error, errors.InvalidToken) else ""
    return f'Bearer realm="caseload"{invalid}'


def _of_framework(error: HTTPException) -> Problem:
    status = error.code or 500
    code = _CODES.get(status, "bad-request" if status < 500 else "internal-error")  # noqa: PLR2004 - where server errors begin
    headers = {
        name: value
        for name, value in error.get_headers(request.environ)
        if name not in ("Content-Type", "Content-Length")
    }
    detail = _NO_PATH if status == NOT_FOUND else error.description or error.name
    return Problem(status, code, detail, headers=headers)


def _of_bug(error: Exception) -> Problem:
    logger.error("%s %s failed", request.method, request.path, exc_info=error)
    return Problem(
        500, "internal-error", "The service failed. Its log has the cause, under the request_id."
    )


def type_of(code: str) -> str:
    """A relative reference, the same whatever host a client named: the page that explains it."""
    return f"/problems/{code}"


def title_of(code: str) -> str:
    return code.replace("-", " ").capitalize()


def body_of(problem: Problem, instance: str, request_id: str) -> Record:
    """The problem as JSON."""
    body: Record = {
        "type": type_of(problem.code),
        "title": title_of(problem.code),
        "status": problem.status,
        "detail": problem.detail,
        "instance": instance,
        "request_id": request_id,
        **problem.facts,
    }
    if problem.mistakes:
        body["errors"] = problem.mistakes
    return body


def _answer(problem: Problem) -> Response:
    body = body_of(problem, request.path, g.request_id)
    response = respond(body, problem.status)
    response.headers.update(problem.headers)
    response.mimetype = MEDIA_TYPE
    return response
