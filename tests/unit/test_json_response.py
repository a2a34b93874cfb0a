"""A `JSONResponse` is sent as werkzeug sends it, also after a hook has changed it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from flask import Response
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, run_wsgi_app

from app.api.kit.json_response import JSONResponse, TrustedHeaders

if TYPE_CHECKING:
    from collections.abc import Callable

BODY = b'{"id":1}'
FIELDS = [
    ("ETag", '"1"'),
    ("Location", "/v1/customers/1"),
    ("Set-Cookie", "a"),
    ("Set-Cookie", "b"),
]


def empty(response: Response) -> None:
    response.status_code = 204


def unchanged(response: Response) -> None:
    response.status = "304 NOT MODIFIED"


def replaced(response: Response) -> None:
    response.data = b"[1, 2, 3]"


def streamed(response: Response) -> None:
    response.response = iter([b"[1,", b"2]"])
    del response.headers["Content-Length"]


def as_text(response: Response) -> None:
    response.response = ["[1,", "2]"]
    del response.headers["Content-Length"]


def other_type(response: Response) -> None:
    response.mimetype = "application/problem+json"


def other_headers(response: Response) -> None:
    response.headers["ETag"] = '"2"'
    response.headers.add("Vary", "Accept")
    del response.headers["Set-Cookie"]


def with_cookie(response: Response) -> None:
    response.set_cookie("name", "value")


def nothing(_: Response) -> None:
    pass


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("status", [200, 201, 404, 503])
@pytest.mark.parametrize(
    "change",
    [
        *[nothing, empty, unchanged, replaced, as_text, streamed],
        *[other_type, other_headers, with_cookie],
    ],
)
def test_it_is_sent_as_by_werkzeug(
    method: str, status: int, change: Callable[[Response], None]
) -> None:
    fast = JSONResponse(BODY, status, FIELDS)
    usual = Response(BODY, status, FIELDS, mimetype="application/json")
    change(fast)
    change(usual)
    assert sent(fast, method) == sent(usual, method)


def sent(response: Response, method: str) -> tuple[bytes, str, list[tuple[str, str]]]:
    environ = EnvironBuilder("/", method=method).get_environ()
    body, status, headers = run_wsgi_app(response, environ)
    return b"".join(body), status, sorted(headers)


def test_what_waits_for_its_end_is_called_once() -> None:
    called: list[str] = []
    response = JSONResponse(BODY)
    response.call_on_close(lambda: called.append("first"))
    response.call_on_close(lambda: called.append("second"))
    body, _, _ = response.get_wsgi_response(EnvironBuilder("/").get_environ())
    assert (b"".join(body), called) == (BODY, [])
    body.close()  # type: ignore[attr-defined] # as servers call it
    assert called == ["first", "second"]


def test_trusted_headers_are_headers() -> None:
    """They add to a list that is private to werkzeug: here it shows where that changes."""
    trusted, usual = TrustedHeaders(FIELDS), Headers(FIELDS)
    trusted.add_trusted([("Vary", "Accept")])
    usual.add("Vary", "Accept")
    assert trusted.to_wsgi_list() == list(trusted) == usual.to_wsgi_list()
    assert trusted["etag"] == usual["etag"]
    assert trusted.getlist("set-cookie") == ["a", "b"]
    trusted["Vary"] = "Origin"
    assert trusted.to_wsgi_list()[-1] == ("Vary", "Origin")
    with pytest.raises(ValueError, match="newline"):
        trusted["Vary"] = "a\nb"
