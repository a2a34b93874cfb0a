"""What HTTP itself refuses, and what every answer has: problem+json and a request id."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from werkzeug.test import EnvironBuilder, run_wsgi_app

from app import create_app
from app.api.kit.access import allow
from app.settings import Settings
from tests.client import Client, problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask

MIB = 1024 * 1024
SOME_ID = "01a00000-0000-7000-8000-000000000000"
ANN = {"reference": "C-1", "name": "Ann"}


@pytest.mark.parametrize("path", ["/v1%2fme", "/v1%2Fme", "/v1/m%65", "/%76%31/me?fields=%69d"])
def test_an_escaped_path_is_no_path(admin: Client, path: str) -> None:
    """404, and so no way around a proxy's rules; escapes in a query are read."""
    assert problem(admin.get(path)) == (404, "not-found")
    assert admin.get("/v1/customers?sort=%6eame").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/v1/",
        "/v2/customers",
        "/V1/customers",
        "/v1/nothing",
        "/v1/customers/",
        "/v1//customers",
        "//v1/customers",
        "v1/customers",
        "//evil.example/v1/customers",
        "/v1/customers/1",
        f"/v1/customers/{SOME_ID}/",
        f"/v1/customers/{SOME_ID}/nothing",
        "/v1/customers/01A00000-0000-7000-8000-00000000000F",
        "/v1/customers/{" + SOME_ID + "}",
        "/v1/customers/01a0000000007000800000000000-0000-00",
        "/v1/customers/------------------------------------",
        "/v1/customers/\N{ARABIC-INDIC DIGIT ONE}1a00000-0000-7000-8000-000000000000",
        "/v1/customers/\0",
        "/v1/customers/\xff\xfe",
        "/v1/customers/\ud800",
        "/v1/customers/../users",
        "*",
        "",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_not_there_is_404(app: Flask, admin: Client, method: str, path: str) -> None:
    """Exactly the documented paths exist; nothing is redirected, merged or guessed."""
    raw = path.encode("utf-8", "surrogatepass").decode("latin-1")
    status, headers, body = _call(
        app, method, PATH_INFO=raw, HTTP_AUTHORIZATION=f"Bearer {admin.token}"
    )
    assert status == "404 NOT FOUND"
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["X-Request-Id"].encode() in body


def _call(app: Flask, method: str, **environ: str) -> tuple[str, dict[str, str], bytes]:
    """Straight to WSGI: a test client would already refuse some of this."""
    whole = {**EnvironBuilder(method=method, query_string="limit=1").get_environ(), **environ}
    chunks, status, headers = run_wsgi_app(app.wsgi_app, whole, buffered=True)
    for name, value in headers:
        assert f"{name}: {value}".isascii()
        assert f"{name}: {value}".isprintable()
    return status, dict(headers), b"".join(chunks)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/customers", {"GET", "HEAD", "POST"}),
        ("DELETE", "/v1/customers", {"GET", "HEAD", "POST"}),
        ("TRACE", "/v1/customers", {"GET", "HEAD", "POST"}),
        ("BREW", "/v1/customers", {"GET", "HEAD", "POST"}),
        ("POST", f"/v1/customers/{SOME_ID}", {"GET", "HEAD", "PATCH", "DELETE"}),
        ("GET", f"/v1/customers/{SOME_ID}/restore", {"POST"}),
        ("GET", "/v1/users/deactivate", {"POST"}),
        ("POST", "/v1/me", {"GET", "HEAD"}),
        ("POST", "/livez", {"GET", "HEAD"}),
    ],
)
def test_a_wrong_method_is_405(app: Flask, method: str, path: str, allowed: set[str]) -> None:
    """With what is allowed instead; OPTIONS always is."""
    status, headers, _ = _call(app, method, PATH_INFO=path)
    assert status == "405 METHOD NOT ALLOWED"
    assert headers["Content-Type"] == "application/problem+json"
    assert set(headers["Allow"].split(", ")) == {*allowed, "OPTIONS"}


@pytest.mark.parametrize(
    ("path", "reported"),
    [
        (
            "/v1/customers",
            {"Allow": "GET, HEAD, OPTIONS, POST", "Accept-Post": "application/json"},
        ),
        (
            f"/v1/customers/{SOME_ID}",
            {
                "Allow": "DELETE, GET, HEAD, OPTIONS, PATCH",
                "Accept-Patch": "application/json, application/merge-patch+json",
            },
        ),
        ("/v1/users/deactivate", {"Allow": "OPTIONS, POST", "Accept-Post": "application/json"}),
        ("/livez", {"Allow": "GET, HEAD, OPTIONS"}),
    ],
)
@pytest.mark.parametrize("token", ["", "Bearer cl_wrong"])
def test_options_names_the_methods_of_a_path(
    app: Flask, path: str, reported: dict[str, str], token: str
) -> None:
    """RFC 9110, 9.3.7, and RFC 5789, 3.1: 204 for everybody, whatever token is shown."""
    status, headers, body = _call(app, "OPTIONS", PATH_INFO=path, HTTP_AUTHORIZATION=token)
    assert (status, body) == ("204 NO CONTENT", b"")
    named = ("Allow", "Accept-Post", "Accept-Patch")
    assert {name: headers[name] for name in named if name in headers} == reported
    assert headers["X-Request-Id"]


def test_options_of_nothing_is_404(app: Flask) -> None:
    """What is not there has no methods."""
    for path in ("/v1/nothing", "/v1/customers/1", "*"):
        assert _call(app, "OPTIONS", PATH_INFO=path)[0] == "404 NOT FOUND"


def test_a_problem_has_all_its_parts(staff: Client) -> None:
    """RFC 9457's members, where it happened, the request's id and each mistake."""
    answer = staff.patch(f"/v1/customers/{staff.create('/v1/customers', ANN)['id']}", {"name": 1})
    body = answer.json
    assert body.pop("type") == "/problems/validation-error"
    assert body.pop("request_id") == answer.headers["X-Request-Id"]
    assert body.pop("instance").startswith("/v1/customers/")
    mistake = {"pointer": "/name", "code": "type", "detail": "It has the wrong type."}
    assert body == {
        "title": "Validation error",
        "status": 422,
        "detail": "name: It has the wrong type.",
        "errors": [mistake],
    }


def test_head_is_get_without_the_body(staff: Client) -> None:
    """Same status and headers, for what is there and for what is not."""
    path = f"/v1/customers/{staff.create('/v1/customers', ANN)['id']}"
    for url in (
        path,
        "/v1/customers?limit=1",
        "/v1/customers?limit=0",
        "/v1/nothing",
        "/livez",
        "/",
    ):
        got, head = (
            staff.get(url, x_request_id="x"),
            staff.send("HEAD", url, headers={"X-Request-Id": "x"}),
        )
        assert (head.status_code, head.data) == (got.status_code, b"")
        for answer in (got, head):
            answer.headers.pop("RateLimit", None)  # less is left each time
            answer.headers.pop("Date", None)  # a second may pass between the two
        assert dict(head.headers) == dict(got.headers)


def test_a_body_over_the_limit_is_413(staff: Client) -> None:
    """One byte over one MiB is refused, one MiB is read."""
    for size, expected in ((MIB, (422, "validation-error")), (MIB + 1, (413, "body-too-large"))):
        raw = b'{"name": "' + b"a" * (size - 12) + b'"}'
        assert len(raw) == size
        assert problem(staff.send("POST", "/v1/customers", raw=raw)) == expected


def test_a_chunked_body_over_the_limit_is_413(staff: Client) -> None:
    """Without a Content-Length the body is not silently cut off at the limit."""
    for size, status in ((100, 201), (MIB - 1, 201), (MIB + 1, 413), (3 * MIB, 413)):
        raw = b'{"reference": "%d", "name": "Ann"}' % size
        answer = staff._client.post(
            "/v1/customers",
            headers={"Authorization": f"Bearer {staff.token}", "Transfer-Encoding": "chunked"},
            content_type="application/json",
            input_stream=io.BytesIO(raw.ljust(size)),
            environ_overrides={"wsgi.input_terminated": True},
        )
        assert answer.status_code == status


PATCH = "application/json, application/merge-patch+json"


@pytest.mark.parametrize(
    ("method", "content_type", "accepted"),
    [
        ("POST", None, "application/json"),
        ("POST", "", "application/json"),
        ("POST", "text/plain", "application/json"),
        ("POST", "application/x-www-form-urlencoded", "application/json"),
        ("POST", "multipart/form-data; boundary=x", "application/json"),
        ("POST", "application/jsonx", "application/json"),
        ("POST", "application/merge-patch+json", "application/json"),
        ("POST", "application/json; charset=latin-1", "application/json"),
        ("POST", "application/json; charset=utf-16", "application/json"),
        ("POST", "application/json; charset*=utf-16''x", "application/json"),
        ("PATCH", None, PATCH),
        ("PATCH", "text/json", PATCH),
        ("PATCH", "application/json-patch+json", PATCH),
        ("PATCH", "application/merge-patch+json; charset=latin-1", PATCH),
    ],
)
def test_another_media_type_is_415(
    staff: Client, method: str, content_type: str | None, accepted: str
) -> None:
    """Though the bytes may be JSON; the answer says what is read instead."""
    path = "/v1/customers" if method == "POST" else f"/v1/customers/{SOME_ID}"
    answer = staff.send(method, path, raw=b"{}", content_type=content_type)
    assert problem(answer) == (415, "unsupported-media-type")
    assert answer.headers["Accept-Post" if method == "POST" else "Accept-Patch"] == accepted


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity", ""])
def test_an_encoded_body_is_415(staff: Client, encoding: str) -> None:
    """Whatever Content-Encoding it has."""
    answer = staff.post("/v1/customers", ANN, content_encoding=encoding)
    assert problem(answer) == (415, "unsupported-media-type")


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json;charset=UTF-8",
        'application/json; charset="utf-8"',
    ],
)
def test_json_in_utf_8_is_read(staff: Client, content_type: str) -> None:
    """However its media type is written."""
    raw = '{"reference": "C-1", "name": "Zo\xeb"}'.encode()
    answer = staff.send("POST", "/v1/customers", raw=raw, content_type=content_type)
    assert (answer.status_code, answer.json["name"]) == (201, "Zo\xeb")


def test_an_action_without_fields_takes_an_empty_body(staff: Client) -> None:
    """None at all, or an empty object; anything else is read as strictly as elsewhere."""
    path = f"/v1/customers/{SOME_ID}/restore"
    for raw, content_type, status in (
        (b"", None, 404),
        (b"{}", "application/json", 404),
        (b"", "application/json", 404),
        (b"{}", None, 415),
        (b'{"x": 1}', "application/json", 422),
        (b"[]", "application/json", 422),
    ):
        answer = staff.send("POST", path, raw=raw, content_type=content_type)
        assert answer.status_code == status
    empty = staff.send("POST", "/v1/customers", raw=b"", content_type=None)
    assert problem(empty) == (400, "malformed-json")


@pytest.fixture
def broken(app: Flask, database_url: str) -> Iterator[Client]:
    """A client of an application with views that fail."""
    other = create_app(Settings(database_url=database_url, given_secret_key="k" * 32))
    database = other.extensions["database"]

    def boom() -> str:
        raise RuntimeError("the password is hunter2")

    def query() -> str:
        with database.connect() as connection:
            return str(connection.execute(text("SELECT hunter2 FROM nothing")))

    for view in (boom, query):
        other.add_url_rule(f"/v1/{view.__name__}", view_func=allow(None)(view))
    yield Client(other, None)
    assert database.pool.checkedout() == 0
    database.dispose()


@pytest.mark.parametrize("path", ["/v1/boom", "/v1/query"])
def test_a_bug_is_a_500_that_tells_nothing(
    broken: Client, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """The answer has the request's id and no traceback or SQL; those are in the log."""
    answer = broken.get(path, x_request_id="find-me")
    assert problem(answer) == (500, "internal-error")
    assert answer.json["request_id"] == "find-me"
    assert not [
        word for word in ("hunter2", "Traceback", "SELECT", "Error:") if word in answer.text
    ]
    assert "hunter2" in caplog.text


@pytest.mark.parametrize("path", ["/nosuch", "/v1/customers/C-1", "/v1/customers/"])
def test_an_unknown_path_is_explained_to_a_program(admin: Client, path: str) -> None:
    """The detail says what a path looks like, not what a person may have typed into a browser."""
    assert admin.get(path).json["detail"] == (
        "Nothing is at this path. An id in a path is a UUID in lower case; no path ends in a slash."
    )
