"""Bad input and what it gets, row by row, through a gunicorn as it is served.

The rows of what is refused by rules of the domain are tried beside those rules; these are the ones
that a client's program, or somebody who means no good, sends to any route.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import TYPE_CHECKING
from uuid import uuid4

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.actors import Role
from tests.raw import Reply, Server
from tests.served import Desk, desk_on
from tests.server import copy_template, drop

if TYPE_CHECKING:
    from collections.abc import Iterator

CUSTOMER = {"reference": "C-1", "name": "Ann"}
GOOD = orjson.dumps(CUSTOMER)
ID = "01a1fcc0-0f19-74d8-a582-dd68f4ddab95"


_HELD = """
SELECT state, query FROM pg_stat_activity WHERE datname = current_database()
    AND pid <> pg_backend_pid() AND starts_with(state, 'idle in transaction')
UNION ALL
SELECT mode, relation::regclass::text FROM pg_locks WHERE pid <> pg_backend_pid()
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@pytest.fixture(scope="module")
def desk(template_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    url = copy_template(template_url, f"hostile_{os.getpid()}")
    folder = tmp_path_factory.mktemp("hostile")
    with desk_on(url, folder, DATABASE_URL=url, CASELOAD_SECRET_KEY="k" * 32) as desk:
        yield desk
        assert "Traceback" not in desk.log
    drop(url)


@pytest.fixture(scope="module")
def server(desk: Desk) -> Server:
    return Server(desk.port, desk.employ("admin", Role.ADMIN).token)


@pytest.fixture(autouse=True)
def unharmed(desk: Desk, server: Server) -> Iterator[None]:
    """Nothing was made, the service goes on, and holds nothing."""
    counted = "SELECT count(*) FROM customers"
    before = desk.sql(counted)
    yield
    assert desk.sql(counted) == before
    assert server.ask("GET", "/v1/me").status == 200
    end = time.monotonic() + 60
    while held := desk.sql(_HELD):  # the jobs may be at it for a moment
        assert time.monotonic() < end, held
        time.sleep(0.05)


def refused(reply: Reply, status: int, problem: str) -> None:
    assert (reply.status, reply.problem) == (status, problem), reply
    assert reply.json["request_id"] == reply.headers["x-request-id"]
    assert reply.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "raw",
    [
        GOOD[:-1],
        b"",
        b"{}{}",
        b'{"reference":"C-1","reference":"C-2","name":"x"}',
        b'{"reference":"C-1","name":"x","attributes":{"n":NaN}}',
        b'{"reference":"C-1","name":"x","attributes":{"n":-Infinity}}',
        b'{"reference":"C-1","name":"x","attributes":' + b'{"a":' * 40 + b"1" + b"}" * 41,
        b"\xff\xfe{\x00}\x00",
        b"\x00" * 100,
        b"<customer/>",
    ],
)
def test_malformed_json(server: Server, raw: bytes) -> None:
    for method, path in (("POST", "/v1/customers"), ("PATCH", f"/v1/customers/{ID}")):
        refused(server.ask(method, path, raw), 400, "malformed-json")


@pytest.mark.parametrize("raw", [b"[]", b"null", b'"x"', b"0", b"true"])
def test_another_type_at_the_top(server: Server, raw: bytes) -> None:
    reply = server.ask("POST", "/v1/customers", raw)
    refused(reply, 422, "validation-error")
    assert "" in reply.codes


@pytest.mark.parametrize(
    ("raw", "codes"),
    [
        (rb'{"reference":"\u0000","name":"x"}', {"/reference": "invalid-character"}),
        (rb'{"reference":"C","name":"\ud800"}', {"/name": "invalid-character"}),
        (
            rb'{"reference":"C","name":"x","attributes":{"a":[{"b":"\u0000"}]}}',
            {"/attributes/a/0/b": "invalid-character"},
        ),
        (b'{"reference":"C","name":"x","nope":1}', {"/nope": "unknown-field"}),
        (
            b'{"reference":"C","name":"x","id":"%b","version":3}' % ID.encode(),
            {"/id": "read-only-field", "/version": "read-only-field"},
        ),
        (b'{"reference":7,"name":true}', {"/reference": "type", "/name": "type"}),
        (b'{"reference":"C","name":"x","email":"no address"}', {"/email": "format"}),
    ],
)
def test_fields_that_are_wrong(server: Server, raw: bytes, codes: dict[str, str]) -> None:
    reply = server.ask("POST", "/v1/customers", raw)
    refused(reply, 422, "validation-error")
    assert reply.codes == codes


@pytest.mark.parametrize(
    ("target", "status", "problem"),
    [
        (b"/v1/customers?q=%00", 400, "invalid-parameter"),
        (b"/v1/customers?q=%ff%fe", 400, "invalid-parameter"),
        (b"/v1/customers?%ff=1", 400, "invalid-parameter"),
        (b"/v1/customers/%00", 404, "not-found"),
        (b"/v1/customers/%ff%fe", 404, "not-found"),
        (b"/v1/customers/not-a-uuid", 404, "not-found"),
        (b"/v1/customers/" + ID.upper().encode(), 404, "not-found"),
        (b"/v1/todos?conversation_id=not-a-uuid", 400, "invalid-parameter"),
        (b"/v1/customers/", 404, "not-found"),
        (b"//v1/customers", 404, "not-found"),
        (b"/v1%2fcustomers", 404, "not-found"),
        (b"/v1%2Fcustomers", 404, "not-found"),
        (b"/%2fv1/customers", 404, "not-found"),
        (b"/v1/%63ustomers", 404, "not-found"),
        (b"http://desk.example/v1%2fcustomers", 404, "not-found"),
        (b"/v1/../v1/customers", 404, "not-found"),
        (b"/v1/%2e%2e/customers", 404, "not-found"),
        (b"/static/../../etc/passwd", 404, "not-found"),
        (b"/nowhere", 404, "not-found"),
        (b"/v1/customers?limit=0", 400, "invalid-parameter"),
        (b"/v1/customers?limit=-1", 400, "invalid-parameter"),
        (b"/v1/customers?limit=101", 400, "invalid-parameter"),
        (b"/v1/customers?limit=abc", 400, "invalid-parameter"),
        (b"/v1/customers?limit=1&limit=2", 400, "invalid-parameter"),
        (b"/v1/customers?limit=" + b"9" * 5000, 400, "invalid-parameter"),
        (b"/v1/customers?sort=nope", 400, "invalid-parameter"),
        (b"/v1/customers?nope=1", 400, "invalid-parameter"),
        (b"/v1/customers?name__nope=1", 400, "invalid-parameter"),
        (b"/v1/customers?created_at__gt=2026-01-01T00:00:00", 400, "invalid-parameter"),
        (b"/v1/customers?created_at__gt=2026-02-30T00:00:00Z", 400, "invalid-parameter"),
        (b"/v1/customers?cursor=abc", 400, "invalid-cursor"),
        (b"/v1/customers?cursor=", 400, "invalid-cursor"),
        (b"/v1/customers?a[]=1;DROP+TABLE+customers", 400, "invalid-parameter"),
        (b"/v1/customers?" + b"a=1&" * 60, 400, "invalid-parameter"),
    ],
)  # fmt: skip
def test_paths_and_queries(server: Server, target: bytes, status: int, problem: str) -> None:
    refused(server.ask("GET", target), status, problem)


@pytest.mark.parametrize(
    ("media", "headers"),
    [
        ("text/plain", ()),
        ("application/x-www-form-urlencoded", ()),
        ("multipart/form-data; boundary=x", ()),
        ("application/json; charset=utf-16", ()),
        (None, ()),
        ("application/json", ("Content-Encoding: gzip",)),
        ("application/json", ("Content-Encoding: identity",)),
        ("*/*", ()),
    ],
)
def test_media_types(server: Server, media: str | None, headers: tuple[str, ...]) -> None:
    for method, path, reported in (
        ("POST", "/v1/customers", "accept-post"),
        ("PATCH", f"/v1/customers/{ID}", "accept-patch"),
    ):
        reply = server.ask(method, path, GOOD, *headers, media=media)
        refused(reply, 415, "unsupported-media-type")
        assert "application/json" in reply.headers[reported]


@pytest.mark.parametrize(
    ("path", "size"), [("/v1/customers", 1024 * 1024), ("/v1/customers/bulk", 8 * 1024 * 1024)]
)
def test_a_body_over_the_limit(server: Server, path: str, size: int) -> None:
    """Told by its length alone, or not at all."""
    reply = server.ask("POST", path, b" " * (size + 1))
    refused(reply, 413, "body-too-large")
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n"
    head += "Content-Type: application/json\r\nConnection: close\r\n"
    reported = server.send(f"{head}Content-Length: {size + 1}\r\n\r\n".encode() + b"{" * 100)
    refused(reported, 413, "body-too-large")
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    chunked = f"{head}Transfer-Encoding: chunked\r\n\r\n".encode()
    chunked += chunk * (size // 0x10000 + 1) + b"0\r\n\r\n"
    assert server.send(chunked, close=False).problem == "body-too-large"


@pytest.mark.parametrize("headers", ["", "Idempotency-Key: cut-off\r\n"])
@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 1000\r\n\r\n" + GOOD,
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + GOOD + b"\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(GOOD) + GOOD,
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(GOOD) + GOOD + b"\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n",
    ],
)
def test_a_body_that_breaks_off(server: Server, headers: str, rest: bytes) -> None:
    """Even where what has come is JSON: nothing is done by half of a request."""
    head = f"POST /v1/customers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n"
    head += f"Content-Type: application/json\r\nConnection: close\r\n{headers}"
    refused(server.send(head.encode() + rest), 400, "malformed-json")


def test_a_body_over_the_limit_that_breaks_off(server: Server) -> None:
    head = f"POST /v1/customers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n"
    head += "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = (b"10000\r\n" + b" " * 0x10000 + b"\r\n") * 17
    refused(server.send(head.encode() + chunks + b"zz\r\n"), 413, "body-too-large")


def test_an_idempotency_key_that_is_none(server: Server) -> None:
    for key in ("", " ", "x" * 256, "a\x01b", '"open', "\xe9"):
        reply = server.ask("POST", "/v1/customers", GOOD, f"Idempotency-Key: {key}")
        if reply.problem:  # gunicorn refuses control characters by itself
            refused(reply, 400, "idempotency-key-invalid")
        assert reply.status == 400


def test_methods(server: Server) -> None:
    reply = server.ask("PUT", "/v1/customers", GOOD)
    refused(reply, 405, "method-not-allowed")
    assert set(reply.headers["allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}
    assert server.ask("OPTIONS", "/v1/customers").status == 204
    for method in ("TRACE", "PROPFIND", "X" * 15):
        assert server.ask(method, "/v1/customers").status in (400, 405), method


def test_tokens(server: Server, desk: Desk) -> None:
    """None, another scheme, a bad one, one that is no ASCII, a viewer's."""
    for headers in ((), ("Authorization: Basic YTpi",), ("Authorization: Bearer",)):
        refused(server.ask("GET", "/v1/me", None, *headers, token=""), 401, "unauthenticated")
    for token in ("x", "\xe9\xff", "x" * 5000, "cl_" + "A" * 43, f"{server.token} x"):
        reply = server.ask("GET", "/v1/me", token=token)
        refused(reply, 401, "unauthenticated")
        assert "Bearer" in reply.headers["www-authenticate"]
    viewer = desk.employ(f"viewer-{uuid4()}", Role.VIEWER).token
    refused(server.ask("POST", "/v1/customers", GOOD, token=viewer), 403, "forbidden")


def test_conditions(server: Server) -> None:
    """Stale, current, malformed."""
    for tag in ('"9"', "9", '"', "x" * 4000, '"\xff"', 'W/"1"', ","):
        reply = server.ask("PATCH", f"/v1/customers/{ID}", b'{"name":"x"}', f"If-Match: {tag}")
        assert reply.status in (404, 412), tag


_HEAD = b"Host: desk.example\r\nConnection: close\r\n"
_TWICE = b"Content-Length: 5\r\nContent-Length: 6\r\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\n" + _HEAD + b"\r\n",
        b"GET / HTTP/1.1\r\n" + _HEAD + b"A: \x00\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + _HEAD + b"no colon\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + _HEAD + b" folded: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + _HEAD + b"Bad Name: x\r\n\r\n",
        b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\n" + _HEAD + b"\r\n",
        b"GET / HTTP/1.1\r\n" + _HEAD + b"X: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + _HEAD + b"X: y\r\n" * 200 + b"\r\n",
        b"POST /v1/customers HTTP/1.1\r\n" + _HEAD + _TWICE + b"\r\n{}   ",
        b"POST /v1/customers HTTP/1.1\r\n" + _HEAD + b"Content-Length: -1\r\n\r\n{}",
        b"POST /v1/customers HTTP/1.1\r\n" + _HEAD + b"Content-Length: 1e3\r\n\r\n{}",
        b"POST / HTTP/1.1\r\n" + _HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + _HEAD
        + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"
        + b"GET /v1/me HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET http://other.example/v1/me HTTP/1.1\r\n" + _HEAD + b"\r\n",
        b"OPTIONS * HTTP/1.1\r\n" + _HEAD + b"\r\n",
        b"CONNECT desk.example:443 HTTP/1.1\r\n" + _HEAD + b"\r\n",
        bytes(range(256)) * 20,
    ],
)  # fmt: skip
def test_bytes_that_are_no_request(server: Server, data: bytes) -> None:
    """gunicorn's own refusal, or the application's; never a 5xx, and never two answers."""
    reply = server.send(data)
    assert reply.status < 500, reply
    assert reply.status not in range(200, 300), reply
    assert b"Traceback" not in reply.body
    assert b"\r\nHTTP/1.1" not in reply.body


def test_a_transfer_coding_that_nobody_knows(server: Server) -> None:
    """The one 5xx that is a client's fault, and gunicorn's own, as RFC 9112 (6.1) has it."""
    head = b"POST / HTTP/1.1\r\n" + _HEAD + b"Transfer-Encoding: x, chunked\r\n\r\n"
    assert server.send(head + b"0\r\n\r\n").status == 501


def test_who_goes_away_in_the_middle_holds_nothing(server: Server) -> None:
    """Of a body, or before the answer: no thread waits for them, none of the work is left."""
    head = f"POST /v1/customers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    for part in (b"", b'{"reference": "half", "na'):
        for _ in range(10):  # more than there are threads
            assert server.send(head.encode() + part).status in (0, 400)


_JUNK = st.binary(max_size=6) | st.sampled_from(
    [b"\r\n", b"\r\n\r\n", b"\0", b"%", b"\xff", b"{", b'"', b":", b" ", b"Content-Length: 0\r\n"]
)
_CUTS = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 5), _JUNK), min_size=1, max_size=3)
_OWN = {501, 505}  # gunicorn's, of codings and versions of HTTP that nobody knows


def test_requests_with_a_few_bytes_changed(server: Server, desk: Desk) -> None:
    """What is answered 201 is there, what is not is not; nothing but what is documented."""
    first = desk.sql("SELECT count(*) FROM customers")[0][0]
    seen: Counter[int] = Counter()

    @settings(max_examples=600, deadline=None, derandomize=True, database=None)
    @given(_CUTS)
    def send(cuts: list[tuple[int, int, bytes]]) -> None:
        body = orjson.dumps({"reference": uuid4().hex, "name": "Ann", "attributes": {"a": [1]}})
        data = b"POST /v1/customers HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        data += b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
        data += f"Authorization: Bearer {server.token}\r\n\r\n".encode() + body
        for at, length, junk in cuts:
            data = data[:at] + junk + data[at + length :]
        reply = server.send(data)
        seen[reply.status] += 1
        assert reply.status < 500 or reply.status in _OWN, (data, reply)
        assert b"Traceback" not in reply.body

    send()
    made = desk.sql("SELECT count(*) FROM customers")[0][0] - first
    assert made == seen[201] > 0
    assert seen.keys() >= {400, 401}  # Hypothesis takes constants of the code: the rest varies
    desk.sql("DELETE FROM customers WHERE name <> ''")
