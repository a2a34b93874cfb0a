"""HTTP: routes, strict input, problem+json. It calls services only.

From the repositories it reads which filters and sorts a list has; it never gives them a handle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from flask import Flask, g, request
from werkzeug.exceptions import NotFound
from werkzeug.routing import BaseConverter

from app.api import (
    accounts,
    agents,
    conversation_batches,
    conversations,
    customers,
    documentation,
    events,
    faqs,
    health,
    messages,
    problem_pages,
    products,
    start,
    tasks,
    todos,
    tokens,
    transactions,
    users,
)
from app.api.kit import (
    access,
    authentication,
    bodies,
    context,
    idempotency,
    large_bodies,
    methods,
    problems,
    rate_limits,
    security,
)

if TYPE_CHECKING:
    from flask import Response


_RESOURCES = (
    users,
    tokens,
    agents,
    customers,
    accounts,
    transactions,
    conversations,
    conversation_batches,
    messages,
    tasks,
    todos,
    products,
    faqs,
    events,
)


class IdConverter(BaseConverter):
    """A canonical UUID; a path with anything else in its place does not exist.

    The pattern says it all: where `to_python` refuses, other methods would be 405, not 404.
    """

    regex: ClassVar[str] = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"  # type: ignore[misc] # werkzeug declares it on the instance

    def to_python(self, value: str) -> UUID:
        return UUID(value)


def register(app: Flask) -> None:
    app.url_map.converters["id"] = IdConverter
    app.url_map.merge_slashes = False
    app.before_request(context.take_request_id)
    app.before_request(_check_path)
    app.before_request(methods.answer_options)
    app.before_request(access.check_access)
    app.before_request(bodies.allow_batches)
    app.teardown_request(large_bodies.end_turn)
    app.after_request(context.drop_request_id)
    app.after_request(authentication.record_use)
    app.after_request(rate_limits.tell)
    app.after_request(_name_request)
    app.after_request(security.protect)
    problems.register(app)
    app.register_blueprint(start.blueprint)
    app.register_blueprint(health.blueprint)
    app.register_blueprint(documentation.blueprint)
    app.register_blueprint(problem_pages.blueprint)
    for module in _RESOURCES:
        app.register_blueprint(module.blueprint, url_prefix="/v1")
    idempotency.register(app)


def _check_path() -> None:
    """To werkzeug, `//v1/me`, `v1/me` and `/v1%2fme` are `/v1/me`; here each thing has one path.

    No path here needs an escape, and a proxy's rules about paths may not see through one.
    """
    path = request.environ["PATH_INFO"]
    sent: str = request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI", "")
    if not path.startswith("/") or path.startswith("//") or "%" in sent.partition("?")[0]:
        raise NotFound


def _name_request(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.request_id
    return response
