"""Finds the user or agent to whom the token of a request belongs, and records that it was used."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import g, request

from app.api.kit import context, rate_limits
from app.db.errors import Unavailable
from app.errors import InvalidToken, RateLimited, Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIEnvironment
    from flask import Blueprint, Response

    from app.api.kit.context import RequestData
    from app.services.kit.identity import Identity

logger = logging.getLogger(__name__)

_LONGEST_TOKEN = 200
_READS = ("GET", "HEAD")


def authenticate(environ: WSGIEnvironment, data: RequestData) -> None:
    """Set `g.actor` and `g.identity`; raises Unauthenticated and RateLimited."""
    token, authenticator = _bearer(environ), context.authenticator()
    try:
        identity = authenticator.authenticate(token, environ.get("REMOTE_ADDR") or "")
    except RateLimited as error:
        rate_limits.note_refusal(data, "wrong-token", authenticator.wrong_token_rate, error)
        raise
    data.actor, data.identity = identity.actor, identity
    rate_limits.count_request(data, identity.token_id)


def record_use(response: Response, data: RequestData) -> None:
    """Record that the token was used, once the response is sent; not for every request."""
    identity = data.identity
    if identity is not None and identity.record_use:
        authenticator = context.authenticator()
        response.call_on_close(lambda: _record(authenticator.record_use, identity))


def forget_after_changes(blueprint: Blueprint) -> None:
    """Its routes change tokens or their owners: then this process looks all tokens up again.

    The other processes look them up again within CASELOAD_TOKEN_CACHE seconds.
    """
    blueprint.after_request(_forget_if_changed)


def _forget_if_changed(response: Response) -> Response:
    """A request that was refused, or has no valid token, has changed nothing.

    After a 5xx the outcome is unknown: the change may have been committed.
    """
    status = response.status_code
    refused = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    if "identity" in g and request.method not in _READS and not refused:
        context.authenticator().forget()
    return response


def _record(record: Callable[[Identity], None], identity: Identity) -> None:
    try:
        record(identity)
    except Unavailable as error:  # the next use is recorded instead
        logger.warning("The use of a token was not recorded: %s", error)


def _bearer(environ: WSGIEnvironment) -> str:
    given: str = environ.get("HTTP_AUTHORIZATION", "")
    scheme, _, token = given.partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated("Send a token: Authorization: Bearer <token>")
    if not token or len(token) > _LONGEST_TOKEN or not token.isascii():
        raise InvalidToken("The token is empty, too long or not ASCII.")
    return token
