"""Headers: what a request may depend on, what it is called, where it thinks it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from tests.client import problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from tests.client import Answer, Client

CURRENT = ['"3"', '"1", "3"', '"3","2"', "*", '  "3"  ']
STALE = [
    '"2"',
    '"1", "2"',
    'W/"3"',
    'W/"3", "2"',
    '"03"',
    '"3.0"',
    '"+3"',
    '"\N{ARABIC-INDIC DIGIT THREE}"',
    '"99999999999999999999"',
    pytest.param('"' + "9" * 5000 + '"', id="5000 digits"),
    '"*"',
    '""',
    "abc",
    '"',
    ",",
    "",
    "W/",
]


def _read(client: Client, path: str, etag: str) -> Answer:
    return client.get(path, if_match=etag)


def _patch(client: Client, path: str, etag: str) -> Answer:
    return client.patch(path, {"name": "New"}, if_match=etag)


def _delete(client: Client, path: str, etag: str) -> Answer:
    return client.delete(path, if_match=etag)


def _restore(client: Client, path: str, etag: str) -> Answer:
    return client.post(f"{path}/restore", if_match=etag)


@pytest.fixture
def path(staff: Client) -> str:
    """Where a customer at version 3 is."""
    created = staff.create("/v1/customers", {"reference": "C-1", "name": "Ann"})
    path = f"/v1/customers/{created['id']}"
    staff.patch(path, {"name": "Anna"})
    assert staff.patch(path, {"name": "Ann"}).headers["ETag"] == '"3"'
    return path


@pytest.mark.parametrize("etag", CURRENT)
@pytest.mark.parametrize(("call", "status"), [(_read, 200), (_patch, 200), (_delete, 204)])
def test_a_current_if_match_lets_through(
    staff: Client, path: str, call: Callable[..., Answer], status: int, etag: str
) -> None:
    """The current version, alone or in a list, and the star fit."""
    assert call(staff, path, etag).status_code == status


@pytest.mark.parametrize("etag", STALE)
@pytest.mark.parametrize("call", [_read, _patch, _delete])
def test_any_other_if_match_is_412(
    staff: Client, path: str, call: Callable[..., Answer], etag: str
) -> None:
    """What does not name the current version stops the request; weak tags never fit."""
    before = staff.get(path).json
    answer = call(staff, path, etag.encode().decode("latin-1"))
    assert problem(answer) == (412, "precondition-failed")
    assert staff.get(path).json == before


def test_restore_honours_if_match(admin: Client, path: str) -> None:
    """The version that an admin sees of a deleted thing is the one to name."""
    admin.delete(path)
    etag = admin.get(f"{path}?include_deleted=true").headers["ETag"]
    assert problem(_restore(admin, path, '"3"')) == (412, "precondition-failed")
    assert _restore(admin, path, etag).status_code == 200


def test_users_and_tokens_honour_if_match(admin: Client) -> None:
    """Every resource with a version does, not only customers."""
    for path in (f"/v1/users/{admin.user_id}", f"/v1/tokens/{admin.token_id}"):
        assert problem(_read(admin, path, '"2"')) == (412, "precondition-failed")
        assert problem(_delete(admin, path, '"2"')) == (412, "precondition-failed")
    stale = admin.patch(f"/v1/users/{admin.user_id}", {"name": "x"}, if_match='"2"')
    assert problem(stale) == (412, "precondition-failed")


def test_of_two_writers_of_one_version_the_second_fails(staff: Client, path: str) -> None:
    """A lost update is impossible for clients that send If-Match."""
    assert _patch(staff, path, '"3"').status_code == 200
    assert problem(_patch(staff, path, '"3"')) == (412, "precondition-failed")


def test_a_stale_patch_that_changes_nothing_is_412_too(staff: Client, path: str) -> None:
    """The precondition comes before the question whether there is anything to do."""
    assert problem(staff.patch(path, {}, if_match='"2"')) == (412, "precondition-failed")


@pytest.mark.parametrize("etag", ['"3"', 'W/"3"', '"1", "3"', '"1", W/"3"', "*"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_if_none_match_current_is_304(staff: Client, path: str, method: str, etag: str) -> None:
    """Weak comparison: the client has it already, and gets the ETag alone."""
    answer = staff.send(method, path, headers={"If-None-Match": etag})
    assert (answer.status_code, answer.data) == (304, b"")
    assert answer.headers["ETag"] == '"3"'
    assert "Content-Type" not in answer.headers


@pytest.mark.parametrize("etag", ['"2"', 'W/"2"', '"33"', "abc", "", '"'])
def test_if_none_match_stale_is_200(staff: Client, path: str, etag: str) -> None:
    """Anything but the current version gets the resource."""
    answer = staff.get(path, if_none_match=etag)
    assert (answer.status_code, answer.json["version"]) == (200, 3)


def test_if_none_match_never_stops_a_write(staff: Client, path: str) -> None:
    """304 is an answer to reads only."""
    answer = staff.patch(path, {"name": "New"}, if_none_match='"3"')
    assert (answer.status_code, answer.json["name"]) == (200, "New")


@pytest.mark.parametrize(
    "body", [{}, {"name": "Ann"}, {"email": None}, {"attributes": {}}, {"attributes": {"x": None}}]
)
def test_a_patch_that_changes_nothing_leaves_no_trace(
    admin: Client, path: str, body: dict[str, object]
) -> None:
    """The ETag and updated_at stay, and no event is written."""
    before = admin.get(path)
    count = admin.get("/v1/events?include_total=true").json["total"]
    answer = admin.patch(path, body)
    assert (answer.status_code, answer.json) == (200, before.json)
    assert answer.headers["ETag"] == before.headers["ETag"]
    assert admin.get("/v1/events?include_total=true").json["total"] == count


@pytest.mark.parametrize("given", ["a", "A-b_c.9", "0" * 64])
def test_a_request_id_is_kept(anonymous: Client, given: str) -> None:
    """So that a caller finds its request in our log."""
    assert anonymous.get("/livez", x_request_id=given).headers["X-Request-Id"] == given
    assert anonymous.get("/v1/nope", x_request_id=given).json["request_id"] == given


@pytest.mark.parametrize("given", ["", "a" * 65, "a b", "a,b", "\xe9", "<x>", "a/b", "a:b", "a;"])
def test_any_other_request_id_is_replaced(anonymous: Client, given: str) -> None:
    """By one that is new each time."""
    first, second = (anonymous.get("/livez", x_request_id=given) for _ in range(2))
    made = {answer.headers["X-Request-Id"] for answer in (first, second)}
    assert len(made) == 2
    assert all(len(name) == 32 and name.isalnum() for name in made)


@pytest.mark.parametrize(
    "host",
    [
        "",
        " ",
        "\xe9",
        "a b",
        "[::1",
        "x:99999",
        "x:0",
        "x:y",
        "http://evil",
        "a" * 300,
        "a" * 70 + ".example",
        "xn--a",
        "xn--fsq.example",
        "xn--99999999",
        "..",
        "-",
        "under_score:8000",
        "a/b",
        "a?b",
        "a@b",
        "\x7f",
        "[::1]:80",
        "x\r\nSet-Cookie: a=b",
    ],
)
def test_a_weird_host_is_never_a_500(app: Flask, staff: Client, host: str) -> None:
    """No URL in an answer is made of it."""
    for reference in "ab":
        staff.create("/v1/customers", {"reference": reference, "name": "x"})
    sent = {"HTTP_HOST": host, "HTTP_AUTHORIZATION": f"Bearer {staff.token}"}
    for path in ("/v1/customers?limit=1", "/v1/nothing"):
        environ = EnvironBuilder(path).get_environ() | sent  # the test client chokes on some
        _, status, headers = run_wsgi_app(app.wsgi_app, environ, buffered=True)
        assert status[:3] in ("200", "400", "404")
        assert all(f"{name}: {value}".isascii() for name, value in headers)
        if status[:3] == "200":
            assert headers["Link"].startswith("</v1/customers?limit=1&")


def test_a_repeated_conditional_delete_is_404(staff: Client) -> None:
    """The first one did it; that the version has moved since is nobody's business."""
    path = f"/v1/customers/{staff.create('/v1/customers', {'reference': 'C', 'name': 'A'})['id']}"
    assert staff.delete(path, if_match='"1"').status_code == 204
    assert problem(staff.delete(path, if_match='"1"')) == (404, "not-found")


def test_a_patch_answers_what_is_stored(staff: Client) -> None:
    """Whether 1 and 1.0 differ or not, one ETag names one body."""
    body = {"reference": "C-1", "name": "Ann", "attributes": {"x": 1}}
    path = f"/v1/customers/{staff.create('/v1/customers', body)['id']}"
    patched = staff.patch(path, {"attributes": {"x": 1.0}})
    read = staff.get(path)
    assert (patched.headers["ETag"], patched.data) == (read.headers["ETag"], read.data)
