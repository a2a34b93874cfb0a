"""Users: what only admins do, the last admin, and deactivating many at once."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.client import codes, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db.testing import RoundTrips
    from tests.client import Answer, Client

    Sql = Callable[..., list[tuple[Any, ...]]]

BOB = {"email": "bob@desk.example", "name": "Bob", "role": "staff"}
MANY = """
    INSERT INTO users (id, email, name, role)
    SELECT gen_random_uuid(), 'u' || n || '@desk.example', 'U', 'viewer'
    FROM generate_series(1, %s) AS n RETURNING id::text
"""


def _demote(admin: Client, user_id: str) -> Answer:
    return admin.patch(f"/v1/users/{user_id}", {"role": "staff"})


def _switch_off(admin: Client, user_id: str) -> Answer:
    return admin.patch(f"/v1/users/{user_id}", {"is_active": False})


def _delete(admin: Client, user_id: str) -> Answer:
    return admin.delete(f"/v1/users/{user_id}")


def _deactivate(admin: Client, *user_ids: str) -> Answer:
    return admin.post("/v1/users/deactivate", {"ids": list(user_ids)})


LOSSES = [_demote, _switch_off, _delete, _deactivate]


def _events(admin: Client, query: str = "object_type=users&action=updated") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = admin.get(f"/v1/events?limit=100&{query}").json["items"]
    return items


def test_an_admin_creates_changes_deletes_and_restores_users(admin: Client) -> None:
    """A new user is active; the whole life of a resource is there, under ETags."""
    created = admin.post("/v1/users", BOB)
    assert (created.status_code, created.headers["ETag"]) == (201, '"1"')
    path = created.headers["Location"]
    assert created.json == {**created.json, **BOB, "is_active": True, "deleted_at": None}
    changed = admin.patch(path, {"role": "viewer", "is_active": False})
    assert (changed.json["role"], changed.json["is_active"]) == ("viewer", False)
    assert admin.delete(path).status_code == 204
    assert problem(admin.get(path)) == (404, "not-found")
    assert admin.post(f"{path}/restore").json["version"] == 4
    assert admin.get("/v1/users?email=BOB@desk.example").json["items"] == [admin.get(path).json]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("is_active=true", ["staff", "admin"]),
        ("is_active__ne=true", []),
        ("role__in=staff,viewer", ["staff"]),
        ("q=STAFF@desk", ["staff"]),
        ("name__contains=dmi", ["admin"]),
        ("sort=email", ["admin", "staff"]),
    ],
)
def test_users_are_filtered_searched_and_sorted(
    admin: Client, staff: Client, query: str, found: list[str]
) -> None:
    """By what they are declared to be found by."""
    items = admin.get(f"/v1/users?{query}").json["items"]
    assert [item["role"] for item in items] == found


def test_an_email_address_is_taken_in_any_case(admin: Client) -> None:
    """It is the user name, so Bob and BOB are one; a deleted user's is free again."""
    bob = admin.create("/v1/users", BOB)
    again = admin.post("/v1/users", {**BOB, "email": "BOB@DESK.example"})
    assert problem(again) == (409, "already-exists")
    assert codes(again) == {"/email": "already-exists"}
    admin.delete(f"/v1/users/{bob['id']}")
    admin.create("/v1/users", BOB)
    assert problem(admin.post(f"/v1/users/{bob['id']}/restore")) == (409, "already-exists")


@pytest.mark.parametrize("role", ["admin", "staff", "viewer"])
def test_me_is_whoever_is_asking(sign_in: Callable[[str], Client], role: str) -> None:
    """Each user sees the own account, admins with deleted_at, and can cache it."""
    me = sign_in(role).get("/v1/me")
    assert (me.status_code, me.headers["ETag"]) == (200, '"1"')
    assert (me.json["role"], me.json["email"]) == (role, f"{role}@desk.example")
    assert ("deleted_at" in me.json) == (role == "admin")


@pytest.mark.parametrize("lose", LOSSES)
def test_the_last_active_admin_stays(admin: Client, lose: Callable[..., Answer]) -> None:
    """However it is tried, it is refused, nothing changes and no event tells of it."""
    idle = admin.create("/v1/users", {**BOB, "role": "admin", "is_active": False})
    before = admin.get(f"/v1/users/{admin.user_id}").json
    assert problem(lose(admin, admin.user_id)) == (409, "last-admin")
    assert admin.get(f"/v1/users/{admin.user_id}").json == before
    assert _events(admin) == []
    assert lose(admin, idle["id"]).status_code in (200, 204)


@pytest.mark.parametrize("lose", LOSSES)
def test_another_admin_may_go(
    admin: Client, sign_in: Callable[..., Client], lose: Callable[..., Answer]
) -> None:
    """As long as one stays; who has gone can no longer do what admins do."""
    other = sign_in("admin", "other")
    assert other.get("/v1/users").status_code == 200
    assert lose(admin, other.user_id).status_code in (200, 204)
    assert other.get("/v1/users").status_code == (403 if lose is _demote else 401)


def test_all_admins_at_once_are_too_many(admin: Client, sign_in: Callable[..., Client]) -> None:
    """The rule counts what the whole statement leaves behind."""
    other = sign_in("admin", "other")
    assert problem(_deactivate(admin, admin.user_id, other.user_id)) == (409, "last-admin")
    assert other.get("/v1/me").json["is_active"] is True


@pytest.mark.parametrize("lose", LOSSES)
def test_two_admins_who_remove_each_other(
    admin: Client, sign_in: Callable[..., Client], sql: Sql, lose: Callable[..., Answer]
) -> None:
    """At the same moment: both have changed their rows when one wins, and the other is refused."""
    other = sign_in("admin", "other")
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda a=a, b=b: answers.append(lose(a, b.user_id)))
        for a, b in ((admin, other), (other, admin))
    ]
    sql("SELECT pg_advisory_lock(7203115)")  # what the rule itself waits for
    for thread in threads:
        thread.start()
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    deadline = time.monotonic() + 60
    while sql(waiting) != [(2,)] and time.monotonic() < deadline:
        time.sleep(0.005)
    assert sql(waiting) == [(2,)]
    sql("SELECT pg_advisory_unlock(7203115)")
    for thread in threads:
        thread.join()
    won, lost = sorted(answers, key=lambda answer: answer.status_code)
    assert won.status_code in (200, 204)
    assert problem(lost) == (409, "last-admin")


def test_deactivate_tells_how_many_were_active(admin: Client, sql: Sql) -> None:
    """Who was inactive already is not counted, has no event and keeps the version."""
    first, second, third = (key for (key,) in sql(MANY, 3))
    assert _deactivate(admin, third).json == {"deactivated": 1}
    answer = _deactivate(admin, first, third, second, first)
    assert (answer.status_code, answer.json) == (200, {"deactivated": 2})
    assert sql("SELECT DISTINCT is_active, version FROM users WHERE name = 'U'") == [(False, 2)]
    events = _events(admin)
    assert sorted(event["object_id"] for event in events) == sorted([first, second, third])
    for event in events:
        assert event["changes"] == {"is_active": {"before": True, "after": False}}


def test_deactivating_someone_missing_changes_nobody(admin: Client, staff: Client) -> None:
    """Each missing or deleted id is named by its place, and the others stay active."""
    gone = admin.create("/v1/users", BOB)["id"]
    admin.delete(f"/v1/users/{gone}")
    answer = _deactivate(admin, str(uuid4()), staff.user_id, gone)
    assert problem(answer) == (422, "validation-error")
    assert codes(answer) == {"/ids/0": "unknown-reference", "/ids/2": "unknown-reference"}
    assert staff.get("/v1/me").json["is_active"] is True
    assert _events(admin) == []


def test_ten_thousand_are_deactivated_by_one_statement(
    admin: Client, sql: Sql, round_trips: RoundTrips
) -> None:
    """However many: one UPDATE, one INSERT of their events, one look at agents, one COMMIT."""
    keys = [key for (key,) in sql(MANY, 10_000)]
    admin.get("/v1/me")
    round_trips.take()
    assert _deactivate(admin, *keys).json == {"deactivated": 10_000}
    update, events, agents, commit = round_trips.take()
    assert agents.count("UPDATE agents") == 1
    assert (update.count("UPDATE users"), events.count("INSERT INTO events")) == (1, 1)
    assert commit == "COMMIT"
    assert sql("SELECT count(*) FROM events WHERE action = 'updated'") == [(10_000,)]


@pytest.mark.parametrize(
    ("ids", "mistakes"),
    [
        ([], {"/ids": "length"}),
        ([str(uuid4())] * 10_001, {"/ids": "length"}),
        ("all", {"/ids": "type"}),
        (None, {"/ids": "null"}),
        ({"0": str(uuid4())}, {"/ids": "type"}),
        ([1, "x", None, uuid4().hex], {"/ids/0": "type", "/ids/1": "format", "/ids/2": "null"}),
    ],
    ids=["empty", "10,001", "text", "null", "object", "not ids"],
)
def test_deactivate_takes_a_list_of_ids(
    admin: Client, ids: object, mistakes: dict[str, str]
) -> None:
    """One to 10,000 of them, and each wrong one is named."""
    answer = admin.post("/v1/users/deactivate", {"ids": ids})
    assert problem(answer) == (422, "validation-error")
    assert mistakes.items() <= codes(answer).items()
    assert len(answer.json["detail"]) < 1000


def test_deleting_a_user_revokes_the_tokens_with_it(
    admin: Client, staff: Client, round_trips: RoundTrips
) -> None:
    """In one unit of work, with an event each; a restored user needs a new token."""
    admin.get("/v1/me")
    round_trips.take()
    path = f"/v1/users/{staff.user_id}"
    assert admin.delete(path, x_request_id="bye").status_code == 204
    assert round_trips.take().count("COMMIT") == 1
    deleted = _events(admin, "request_id=bye&action=deleted")
    assert {(event["object_type"], event["object_id"]) for event in deleted} == {
        ("users", staff.user_id),
        ("tokens", staff.token_id),
    }
    assert problem(admin.get(f"/v1/tokens/{staff.token_id}")) == (404, "not-found")
    assert admin.post(f"{path}/restore").status_code == 200
    assert problem(staff.get("/v1/me")) == (401, "unauthenticated")
