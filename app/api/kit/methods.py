"""Which paths there are and which methods each has: 404, OPTIONS, and `Allow` of 405."""

from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.exceptions import MethodNotAllowed, NotFound

from app.api.kit import bodies
from app.api.kit.responses import no_content

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from flask import Request, Response


def check_path(request: Request) -> Response | None:
    """Before every request. OPTIONS of a path that exists is 204, for everybody; it does nothing.

    No route declares OPTIONS, so werkzeug refuses it, and names the methods of the path.
    """
    _check_spelling(request.environ)
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


def _check_spelling(environ: WSGIEnvironment) -> None:
    """Each resource has one path, though to werkzeug `//v1/me` and `/v1%2fme` are `/v1/me`.

    No path here needs an escape, and a proxy's rules about paths may not see through one.
    """
    path = environ["PATH_INFO"]
    sent: str = environ.get("RAW_URI") or environ.get("REQUEST_URI", "")
    if not path.startswith("/") or path.startswith("//") or "%" in sent.partition("?")[0]:
        raise NotFound
