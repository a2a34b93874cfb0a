"""What happens before and after every view, in one function each: Flask takes 1 us per hook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app import logs
from app.api.kit import access, authentication, large_bodies, methods, rate_limits, security
from app.api.kit.context import RequestData, current_request, request_data, request_id_of
from app.api.kit.json_response import TrustedHeaders

if TYPE_CHECKING:
    from flask import Flask, Response
    from werkzeug.datastructures import Headers

    from app.api.kit.json_response import Field


def register(app: Flask) -> None:
    app.app_ctx_globals_class = RequestData
    app.before_request(_begin)
    app.after_request(_finish)
    app.teardown_request(large_bodies.end_turn)


def _begin() -> Response | None:
    """Returns the response where no view is to be called; raises what refuses the request."""
    request, data = current_request(), request_data()
    data.request_id = request_id_of(request.environ)
    logs.request_id.set(data.request_id)
    if (response := methods.check_path(request)) is not None:
        return response
    access.check_access(request, data)
    return None


def _finish(response: Response) -> Response:
    """Add the headers of every response, and what is done once it is sent.

    The use of the request's id in the log ends last.
    """
    request, data = current_request(), request_data()
    headers = security.missing(response.headers, is_secure=request.is_secure)
    if data.limit_headers:
        headers += data.limit_headers
        rate_limits.reconcile_after(response)
    headers.append(("X-Request-Id", data.request_id))
    _add(response.headers, headers)
    authentication.record_use(response, data)
    response.call_on_close(_end_log)
    return response


def _add(to: Headers, headers: list[Field]) -> None:
    if isinstance(to, TrustedHeaders):
        to.add_trusted(headers)
    else:
        to.extend(headers)


def _end_log() -> None:
    logs.request_id.set("-")
