"""Events: who did what, when, under which request; written with the change, never altered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.client import problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.client import Client

ANN = {"reference": "C-1", "name": "Ann"}


def _of(client: Client, object_id: str) -> list[dict[str, Any]]:
    """What happened to it, the first first."""
    query = f"object_id={object_id}&sort=occurred_at"
    items: list[dict[str, Any]] = client.get(f"/v1/events?{query}").json["items"]
    return items


def test_every_change_is_one_event(staff: Client) -> None:
    """Created, updated, deleted and restored, each with what was before and what is after."""
    created = staff.create("/v1/customers", {**ANN, "attributes": {"a": 1, "b": 2}})
    path = f"/v1/customers/{created['id']}"
    staff.patch(path, {"name": "Anna", "reference": "C-1", "attributes": {"a": None}})
    staff.delete(path)
    staff.post(f"{path}/restore")
    events = _of(staff, created["id"])
    assert [event["action"] for event in events] == ["created", "updated", "deleted", "restored"]
    first, second, third, fourth = (event["changes"] for event in events)
    assert first == {
        "reference": {"before": None, "after": "C-1"},
        "name": {"before": None, "after": "Ann"},
        "attributes": {"before": None, "after": {"a": 1, "b": 2}},
    }
    assert second == {
        "name": {"before": "Ann", "after": "Anna"},
        "attributes": {"before": {"a": 1}, "after": {}},
    }
    moment = third["deleted_at"]["after"]
    assert moment.endswith("Z")
    assert third == {"deleted_at": {"before": None, "after": moment}}
    assert fourth == {"deleted_at": {"before": moment, "after": None}}


def test_an_event_names_the_actor_the_object_and_the_request(staff: Client) -> None:
    """So that an auditor can go from any change to whoever made it, and to the log."""
    answer = staff.post("/v1/customers", ANN, x_request_id="import-7.a_b")
    assert answer.headers["X-Request-Id"] == "import-7.a_b"
    event = staff.get("/v1/events?request_id=import-7.a_b").json["items"][0]
    assert event["actor"] == {"type": "user", "id": staff.user_id, "name": "Staff"}
    assert (event["object_type"], event["object_id"]) == ("customers", answer.json["id"])
    assert event["occurred_at"] >= answer.json["created_at"]


def test_an_event_of_the_command_line_names_the_system(admin: Client) -> None:
    """What no user did has an actor too, and no request."""
    event = _of(admin, admin.user_id)[0]
    assert event["actor"] == {"type": "system", "id": None, "name": "system"}
    assert event["request_id"] is None


def test_an_event_is_read_by_id(staff: Client) -> None:
    """As in the list, under an ETag of version and content: values may be erased or withheld."""
    event = _of(staff, staff.create("/v1/customers", ANN)["id"])[0]
    answer = staff.get(f"/v1/events/{event['id']}")
    assert answer.status_code == 200
    assert answer.headers["ETag"].startswith('"1:')
    assert answer.json == event
    assert (
        staff.get(f"/v1/events/{event['id']}", if_none_match=answer.headers["ETag"]).status_code
        == 304
    )
    assert problem(staff.get(f"/v1/events/{uuid4()}")) == (404, "not-found")


def test_what_was_refused_has_no_event(admin: Client) -> None:
    """Neither a conflict, nor invalid input, nor a stale version, nor a missing thing."""
    path = f"/v1/customers/{admin.create('/v1/customers', ANN)['id']}"
    count = admin.get("/v1/events?include_total=true").json["total"]
    refused = [
        admin.post("/v1/customers", ANN),
        admin.post("/v1/customers", {"name": "x"}),
        admin.patch(path, {"name": None}),
        admin.patch(path, {"name": "x"}, if_match='"9"'),
        admin.delete(path, if_match='"9"'),
        admin.post(f"{path}/restore"),
        admin.delete(f"/v1/customers/{uuid4()}"),
        admin.delete(f"/v1/users/{admin.user_id}"),
    ]
    expected = [409, 422, 422, 412, 412, 409, 404, 409]
    assert [answer.status_code for answer in refused] == expected
    assert admin.get("/v1/events?include_total=true").json["total"] == count


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_events_are_only_read(admin: Client, method: str) -> None:
    """Every other method is 405, on the list and on one."""
    event = _of(admin, admin.user_id)[0]
    for path in ("/v1/events", f"/v1/events/{event['id']}"):
        answer = admin.send(method, path, {})
        assert problem(answer) == (405, "method-not-allowed")
        assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
    assert problem(admin.post(f"/v1/events/{event['id']}/restore")) == (404, "not-found")


def test_only_admins_see_the_events_of_users_and_tokens(
    admin: Client, staff: Client, viewer: Client
) -> None:
    """Others find them in no list, no count, no filter and not by id."""
    customer = staff.create("/v1/customers", ANN)["id"]
    seen = admin.get("/v1/events?include_total=true").json
    assert {event["object_type"] for event in seen["items"]} == {"users", "tokens", "customers"}
    assert seen["total"] == 7
    hidden = [event for event in seen["items"] if event["object_type"] != "customers"]
    for client in (staff, viewer):
        listed = client.get("/v1/events?include_total=true").json
        assert [event["object_id"] for event in listed["items"]] == [customer]
        assert listed["total"] == 1
        for query in ("object_type=users", f"object_id={admin.user_id}", "object_type__ne=x"):
            items = client.get(f"/v1/events?{query}").json["items"]
            assert {event["object_type"] for event in items} <= {"customers"}
        for event in hidden:
            assert problem(client.get(f"/v1/events/{event['id']}")) == (404, "not-found")


@pytest.mark.parametrize(
    "query", ["admins_only=false", "admins_only__ne=true", "xid=1", "q=x", "include_deleted=true"]
)
def test_what_is_not_public_can_not_be_asked_for(staff: Client, query: str) -> None:
    """Neither the filter that hides events, nor what only other resources have."""
    assert problem(staff.get(f"/v1/events?{query}")) == (400, "invalid-parameter")


@pytest.mark.parametrize(
    ("query", "actions"),
    [
        ("action=updated", ["updated"]),
        ("action__in=created,deleted", ["created", "deleted"]),
        ("action__ne=created", ["updated", "deleted"]),
        ("actor_id={staff}", ["created", "updated"]),
        ("actor_kind=system", []),
        ("occurred_at__gt={second}", ["deleted"]),
        ("occurred_at__lte={second}", ["created", "updated"]),
    ],
)
def test_events_are_filtered(admin: Client, staff: Client, query: str, actions: list[str]) -> None:
    """By what was done, by whom and when."""
    key = staff.create("/v1/customers", ANN)["id"]
    staff.patch(f"/v1/customers/{key}", {"name": "Anna"})
    admin.delete(f"/v1/customers/{key}")
    values = {"staff": staff.user_id, "second": _of(staff, key)[1]["occurred_at"]}
    found = staff.get(f"/v1/events?sort=occurred_at&{query.format(**values)}").json["items"]
    assert [event["action"] for event in found] == actions


def test_events_outlive_what_they_tell_of(
    staff: Client, admin: Client, sql: Callable[..., list[tuple[Any, ...]]]
) -> None:
    """What happened to a customer stays when the customer is deleted."""
    key = staff.create("/v1/customers", ANN)["id"]
    before = _of(admin, key)
    staff.delete(f"/v1/customers/{key}")
    assert _of(admin, key)[:1] == before
    assert sql("SELECT count(*) FROM events WHERE object_id = %s", key) == [(2,)]
