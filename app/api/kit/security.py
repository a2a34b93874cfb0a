"""Headers that make browsers and caches to keep responses private."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import request

if TYPE_CHECKING:
    from flask import Response

_HEADERS = {
    "Cache-Control": "no-store",  # nearly all responses are about people
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_A_YEAR_OF_TLS = "max-age=31536000"


def protect(response: Response) -> Response:
    """Add the headers that the view has not set by itself, such as a policy for a page."""
    headers = response.headers
    own = {name for name, _ in headers} & _HEADERS.keys()  # asking for each costs far more
    headers.extend({name: value for name, value in _HEADERS.items() if name not in own})
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", _A_YEAR_OF_TLS)
    return response
