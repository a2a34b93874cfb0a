"""Tokens: shown once, good until revoked, expired or nobody's."""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.client import Client, codes, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from app.db import Database
    from app.db.testing import RoundTrips

    Sql = Callable[..., list[tuple[Any, ...]]]

GONE = (401, "unauthenticated")


def _in(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


@pytest.fixture
def issue(app: Flask, admin: Client, staff: Client) -> Callable[..., Client]:
    """A client with a new token for the member of staff."""

    def issue(**fields: object) -> Client:
        body = {"user_id": staff.user_id, "name": "laptop", **fields}
        created = admin.create("/v1/tokens", body)
        return Client(app, created["token"], user_id=staff.user_id, token_id=created["id"])

    return issue


def test_the_token_itself_is_in_one_answer_only(admin: Client, staff: Client, sql: Sql) -> None:
    """Not in any later answer, not in the events, and in the database only as a hash."""
    body = {"user_id": staff.user_id, "name": "laptop"}
    answer = admin.post("/v1/tokens", body)
    assert (answer.status_code, answer.headers["ETag"]) == (201, '"1"')
    created = answer.json
    secret = created.pop("token")
    assert created == {
        **created,
        **body,
        "expires_at": None,
        "last_used_at": None,
        "deleted_at": None,
    }
    assert admin.get(answer.headers["Location"]).json == created
    digest = hashlib.sha256(secret.encode()).hexdigest()
    for path in ("/v1/tokens", "/v1/events", f"/v1/events?object_id={created['id']}"):
        text = admin.get(path).text
        assert created["id"] in text
        assert not [word for word in (secret, digest, "token_hash") if word in text]
    stored = sql("SELECT t::text FROM tokens AS t WHERE id = %s", created["id"])[0][0]
    assert digest in stored
    assert secret not in stored


def test_a_new_token_lets_its_user_in(issue: Callable[..., Client], staff: Client) -> None:
    """It acts as the user it was issued for, beside the other tokens."""
    assert issue().get("/v1/me").json == staff.get("/v1/me").json


def test_a_revoked_token_is_nothing(admin: Client, issue: Callable[..., Client]) -> None:
    """From the answer to DELETE on, though it was good and known a moment before."""
    client = issue()
    assert client.get("/v1/me").status_code == 200
    path = f"/v1/tokens/{client.token_id}"
    assert admin.delete(path).status_code == 204
    refused = client.get("/v1/me")
    assert problem(refused) == GONE
    assert refused.headers["WWW-Authenticate"].startswith("Bearer ")
    assert problem(admin.delete(path)) == (404, "not-found")


def test_a_token_may_revoke_itself(admin: Client) -> None:
    """Logging out: the request itself is still answered."""
    assert admin.delete(f"/v1/tokens/{admin.token_id}").status_code == 204
    assert problem(admin.get("/v1/me")) == GONE


def test_a_token_expires_on_time(issue: Callable[..., Client]) -> None:
    """Being remembered from an earlier request does not prolong it."""
    client = issue(expires_at=_in(1))
    assert client.get("/v1/me").status_code == 200
    time.sleep(1.05)
    assert problem(client.get("/v1/me")) == GONE


@pytest.mark.parametrize(
    "lose",
    [
        lambda admin, path: admin.patch(path, {"is_active": False}),
        lambda admin, path: admin.delete(path),
    ],
    ids=["deactivated", "deleted"],
)
def test_a_token_is_worth_nothing_without_its_user(
    admin: Client, issue: Callable[..., Client], lose: Callable[..., Any]
) -> None:
    """Once the user is deactivated or deleted, no token of theirs is good."""
    client = issue()
    assert client.get("/v1/me").status_code == 200
    assert lose(admin, f"/v1/users/{client.user_id}").status_code in (200, 204)
    assert problem(client.get("/v1/me")) == GONE


def test_a_user_who_is_active_again_has_the_tokens_again(admin: Client, staff: Client) -> None:
    """Deactivation is a pause; only deletion revokes."""
    path = f"/v1/users/{staff.user_id}"
    admin.patch(path, {"is_active": False})
    assert problem(staff.get("/v1/me")) == GONE
    admin.patch(path, {"is_active": True})
    assert staff.get("/v1/me").status_code == 200


def test_a_new_role_counts_at_once(admin: Client, staff: Client) -> None:
    """What is remembered of a token is forgotten when a user changes."""
    assert staff.post("/v1/customers", {"reference": "C-1", "name": "Ann"}).status_code == 201
    admin.patch(f"/v1/users/{staff.user_id}", {"role": "viewer"})
    refused = staff.post("/v1/customers", {"reference": "C-2", "name": "Bob"})
    assert problem(refused) == (403, "forbidden")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer nonsense",
        "Basic YWRhOmFkYQ==",
        "Token {token}",
        "{token}",
        "Bearer {token}x",
        "Bearer {token} {token}",
        "Bearer,{token}",
        "Bearer \N{LATIN SMALL LETTER E WITH ACUTE}",
        "Bearer " + "a" * 100_000,
        "Bearer %00",
    ],
)
def test_anything_but_a_good_token_is_401(anonymous: Client, admin: Client, header: str) -> None:
    """With a challenge; it names an error where a token was shown (RFC 6750, section 3.1)."""
    answer = anonymous.get("/v1/me", authorization=header.format(token=admin.token))
    assert problem(answer) == GONE
    invalid = ', error="invalid_token"' if header.split(" ", maxsplit=1)[0] == "Bearer" else ""
    assert answer.headers["WWW-Authenticate"] == f'Bearer realm="caseload"{invalid}'


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer  "])
def test_the_scheme_is_read_in_any_case(anonymous: Client, admin: Client, scheme: str) -> None:
    """RFC 9110: the name of a scheme has no case."""
    answer = anonymous.get("/v1/me", authorization=f"{scheme} {admin.token}")
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("fields", "mistakes"),
    [
        ({"user_id": str(uuid4())}, {"/user_id": "unknown-reference"}),
        ({"user_id": None}, {"/user_id": "null"}),
        ({"agent_id": str(uuid4())}, {"/user_id": "required"}),
        ({"expires_at": "2020-01-01T00:00:00Z"}, {"/expires_at": "range"}),
        ({"name": ""}, {"/name": "length"}),
        ({"token": "mine"}, {"/token": "unknown-field"}),
        ({"token_hash": "x"}, {"/token_hash": "unknown-field"}),
        ({"last_used_at": None}, {"/last_used_at": "read-only-field"}),
    ],
)
def test_a_token_needs_a_user_a_name_and_a_future(
    admin: Client, fields: dict[str, Any], mistakes: dict[str, str]
) -> None:
    """Each mistake is named, and no token is made."""
    answer = admin.post("/v1/tokens", {"user_id": admin.user_id, "name": "x", **fields})
    assert answer.status_code == 422
    assert codes(answer) == mistakes
    assert len(admin.get("/v1/tokens").json["items"]) == 1


def test_a_deleted_user_gets_no_token(admin: Client, staff: Client) -> None:
    """A reference to something deleted is a reference to nothing."""
    admin.delete(f"/v1/users/{staff.user_id}")
    answer = admin.post("/v1/tokens", {"user_id": staff.user_id, "name": "x"})
    assert codes(answer) == {"/user_id": "unknown-reference"}


def test_a_token_is_neither_changed_nor_restored(admin: Client) -> None:
    """There is no PATCH and no restore, not even of a revoked one."""
    path = f"/v1/tokens/{admin.token_id}"
    refused = admin.patch(path, {"name": "x"})
    assert problem(refused) == (405, "method-not-allowed")
    assert set(refused.headers["Allow"].split(", ")) == {"GET", "HEAD", "DELETE", "OPTIONS"}
    assert problem(admin.post(f"{path}/restore")) == (404, "not-found")


def test_the_use_of_a_token_is_recorded_once_in_a_while(
    admin: Client, issue: Callable[..., Client], sql: Sql, round_trips: RoundTrips
) -> None:
    """The first use is, after its answer; the version stays, and the next use costs nothing."""
    client = issue()
    path = f"/v1/tokens/{client.token_id}"
    client.get("/v1/me").close()
    token = admin.get(path).json
    assert (token["version"], token["updated_at"]) == (1, token["created_at"])
    assert token["created_at"] < token["last_used_at"] <= _in(0)
    round_trips.take()
    client.get("/v1/me").close()
    assert len(round_trips.take()) == 1
    sql("UPDATE tokens SET last_used_at = now() - interval '1 hour' WHERE id = %s", client.token_id)
    admin.patch(f"/v1/users/{admin.user_id}", {})  # then the process forgets what it knows
    client.get("/v1/me").close()
    assert admin.get(path).json["last_used_at"] >= token["last_used_at"]


def test_the_servers_time_zone_does_not_matter(
    admin: Client, database: Database, sql: Callable[..., list[tuple[Any, ...]]]
) -> None:
    """A token that expires at the end of time is read on a server in Auckland too."""
    body = {"user_id": admin.user_id, "name": "x", "expires_at": "9999-12-31T23:59:59Z"}
    path = f"/v1/tokens/{admin.create('/v1/tokens', body)['id']}"
    ((name,),) = sql("SELECT current_database()")
    sql(f"ALTER DATABASE \"{name}\" SET timezone = 'Pacific/Auckland'")
    database.dispose()
    answer = admin.get(path)
    sql(f'ALTER DATABASE "{name}" RESET timezone')
    database.dispose()
    assert (answer.status_code, answer.json["expires_at"]) == (200, "9999-12-31T23:59:59Z")
