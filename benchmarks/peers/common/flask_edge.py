"""What the two programs on Flask share: the caller, request ids and problems."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from flask import Response, g, jsonify, request
from sqlalchemy.exc import IntegrityError

from benchmarks.peers.common.actors import Actor, Callers, hash_of
from benchmarks.peers.common.refusals import PROBLEM, Refused, broken, unauthenticated

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask


def prepare(app: Flask, find_owner: Callable[[bytes], Actor | None]) -> None:
    """Each request gets `g.actor` and `g.request_id`; `find_owner` takes the hash of a token."""
    callers = Callers()

    @app.before_request
    def authenticate() -> None:
        g.request_id = uuid4().hex
        authorization = request.headers.get("Authorization", "")
        actor = callers.known(authorization)
        if actor is None:
            actor = find_owner(hash_of(authorization))
            if actor is None:
                raise unauthenticated()
            callers.remember(authorization, actor)
        g.actor = actor

    @app.after_request
    def name_request(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.request_id
        return response

    app.register_error_handler(Refused, problem)
    app.register_error_handler(IntegrityError, _conflict)


def problem(refused: Refused) -> Response:
    response = jsonify(refused.as_problem(request.path, g.request_id))
    response.status_code = refused.status
    response.mimetype = PROBLEM
    response.headers.update(refused.headers)
    return response


def _conflict(error: IntegrityError) -> Response:
    refused = broken(getattr(error.orig, "diag").constraint_name)  # noqa: B009 - psycopg2's
    if refused is None:
        raise error
    return problem(refused)
