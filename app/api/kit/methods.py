"""Which methods a path has: what OPTIONS answers, and `Allow` of 405."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import request
from werkzeug.exceptions import MethodNotAllowed

from app.api.kit import bodies
from app.api.kit.responses import no_content

if TYPE_CHECKING:
    from flask import Response


def answer_options() -> Response | None:
    """Before every request. OPTIONS of a path that exists is 204, for everybody; it does nothing.

    No route declares OPTIONS, so werkzeug refuses it, and names the methods of the path.
    """
    refused = request.routing_exception
    if not isinstance(refused, MethodNotAllowed):
        return None
    refused.valid_methods = sorted({*(refused.valid_methods or ()), "OPTIONS"})
    if request.method != "OPTIONS":
        return None  # it is 405, with all of these in Allow
    response = no_content()
    response.headers["Allow"] = ", ".join(refused.valid_methods)
    for method in {"PATCH", "POST"}.intersection(refused.valid_methods):
        response.headers.update(bodies.accepted_by(method))
    return response
