"""The settings and services of the application, for the user or agent who sends the request."""

from __future__ import annotations

import re
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from flask import current_app, g, request
from uuid_utils.compat import uuid7

from app import logs
from app.db.listing import Cursors, Seal
from app.services.kit.idempotency import IdempotencyService

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

    from app.db import Database
    from app.services.kit.base import Service
    from app.services.kit.identity import Authenticates
    from app.services.kit.rate_limits import RateLimiter
    from app.settings import Settings

    S = TypeVar("S", bound=Service)
    T = TypeVar("T")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


def settings() -> Settings:
    return cast("Settings", current_app.extensions["settings"])


def authenticator() -> Authenticates:
    return cast("Authenticates", current_app.extensions["authenticator"])


def rate_limiter() -> RateLimiter:
    return cast("RateLimiter", current_app.extensions["rate_limiter"])


def service(kind: type[S], **own: Any) -> S:
    """A service that acts for the sender of the request; `own` are fields that it alone has."""
    return kind(
        database=current_app.extensions["database"],
        actor=g.actor,
        request_id=g.request_id,
        rules=settings().rules,
        **own,
    )


def cursors() -> Cursors:
    return _cursors(settings().secret_key)


@lru_cache(maxsize=4)
def _cursors(secret: str) -> Cursors:
    """The cipher is built once: every page of every list needs it."""
    return Cursors(secret)


def in_snapshot(read: Callable[[], T]) -> T:
    """Call `read`, with all of its service calls in one snapshot of the database.

    It is called again where the connection was lost.
    """
    database: Database = current_app.extensions["database"]

    def attempt() -> T:
        with database.connect(read_only=True, isolation="REPEATABLE READ"):
            return read()

    return database.again(attempt)


def idempotency() -> IdempotencyService:
    return service(IdempotencyService, seal=partial(Seal, settings().secret_key, "answer"))


def take_request_id() -> None:
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else uuid7().hex
    logs.request_id.set(g.request_id)


def name_request(response: Response) -> Response:
    """Add the request's id to the response, and end its use in the log once that is sent.

    Flask calls first what was registered last: all that others do after the response is logged
    under the id.
    """
    response.headers["X-Request-Id"] = g.request_id
    response.call_on_close(lambda: logs.request_id.set("-"))
    return response
