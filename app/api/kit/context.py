"""The request, and the settings and services of the application, for its sender."""

from __future__ import annotations

import re
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from flask import current_app, g, request
from flask.ctx import _AppCtxGlobals  # the documented type of `g`
from uuid_utils import uuid7

from app.db.listing import Cursors, Seal
from app.services.kit.idempotency import IdempotencyService

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIEnvironment
    from flask import Flask, Request

    from app.api.kit.json_response import Field
    from app.db import Database
    from app.domain.actors import Actor
    from app.services.kit.base import Service
    from app.services.kit.identity import Authenticates, Identity
    from app.services.kit.rate_limits import RateLimiter
    from app.settings import Settings

    S = TypeVar("S", bound=Service)
    T = TypeVar("T")

UNREAD = object()
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


class RequestData(_AppCtxGlobals):
    """The names in `g` during a request.

    Code that runs for each request takes `g`, `request` and `current_app` out of their proxies
    once, by the functions below: a name that is read through a proxy costs 0.7 us.
    """

    __setattr__ = object.__setattr__  # type: ignore[assignment] # as Flask's own, which is in Python

    request_id: str
    identity: Identity | None = None
    actor: Actor
    limit_headers: tuple[Field, ...] = ()
    """Those of the limit under which the request was counted or refused."""
    parameters: dict[str, str]
    body: Any = UNREAD
    """The JSON of the body, once it is read."""
    has_turn: bool = False
    """Whether the request works on a large body, alone in the process."""


request_data: Callable[[], RequestData] = g._get_current_object  # noqa: SLF001 - Flask documents it
current_request: Callable[[], Request] = request._get_current_object  # type: ignore[attr-defined] # noqa: SLF001 - Flask documents it
application: Callable[[], Flask] = current_app._get_current_object  # type: ignore[attr-defined] # noqa: SLF001 - Flask documents it


def settings() -> Settings:
    return cast("Settings", application().extensions["settings"])


def authenticator() -> Authenticates:
    return cast("Authenticates", application().extensions["authenticator"])


def rate_limiter() -> RateLimiter:
    return cast("RateLimiter", application().extensions["rate_limiter"])


def service(kind: type[S], **own: Any) -> S:
    """A service that acts for the sender of the request; `own` are fields that it alone has."""
    extensions, data = application().extensions, request_data()
    return kind(
        database=extensions["database"],
        actor=data.actor,
        request_id=data.request_id,
        rules=extensions["settings"].rules,
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


def request_id_of(environ: WSGIEnvironment) -> str:
    """The id that the client has given the request, or a new one."""
    given = environ.get("HTTP_X_REQUEST_ID")
    return given if given is not None and _REQUEST_ID.fullmatch(given) else uuid7().hex
