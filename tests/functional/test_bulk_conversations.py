"""What is done to all conversations that fit a filter, if they are as many as expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.client import Client, codes, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db.testing import RoundTrips

    Open = Callable[..., list[str]]

ASSIGN, RESOLVE = "/v1/conversations/bulk-assign", "/v1/conversations/bulk-resolve"
WEB = {"filter": {"channel": "web"}}


@pytest.fixture
def open_(staff: Client) -> Open:
    customer = staff.create("/v1/customers", {"reference": "C", "name": "Ann"})["id"]

    def open_(count: int, **values: Any) -> list[str]:
        body = {"customer_id": customer, "subject": "A fee", "channel": "web", **values}
        return [staff.create("/v1/conversations", body)["id"] for _ in range(count)]

    return open_


def read(client: Client, key: str) -> Any:
    return client.get(f"/v1/conversations/{key}").json


def test_all_that_fit_are_assigned(staff: Client, hire: Callable[..., Client], open_: Open) -> None:
    """Each with its event, a hand-off where a person follows a program; others stay."""
    bot, ann = hire("bot").user_id, hire("ann", kind="human").user_id
    mine, free = open_(2, assignee_id=bot), open_(1)
    (closed,), (other,) = open_(1), open_(1, channel="email")
    staff.post(f"/v1/conversations/{closed}/close")
    body = {**WEB, "agent_id": ann, "reason": "Spanish", "expected_count": 3}
    answer = staff.post(ASSIGN, body)
    assert (answer.status_code, answer.json) == (200, {"count": 3, "dry_run": False})
    for key in (*mine, *free):
        found = read(staff, key)
        assert (found["assignee_id"], found["assignment_reason"]) == (ann, "Spanish")
        assert found["version"] == 2
    assert [read(staff, key)["assignee_id"] for key in (closed, other)] == [None, None]
    events = staff.get("/v1/events?object_type=conversations&limit=3").json["items"]
    actions = {event["object_id"]: event["action"] for event in events}
    assert actions == {**dict.fromkeys(mine, "handed-off"), free[0]: "assigned"}
    staff.post(ASSIGN, body)
    assert read(staff, free[0])["version"] == 2  # nothing changed


def test_what_is_resolved_is_as_if_one_by_one(staff: Client, open_: Open) -> None:
    """Its clocks stand still, it sleeps no more, and its event tells the same."""
    one, two, asleep = open_(3)
    staff.post(f"/v1/conversations/{asleep}/snooze", {"until": "2100-01-01T00:00:00Z"})
    staff.post(f"/v1/conversations/{one}/resolve")
    answer = staff.post(RESOLVE, {**WEB, "expected_count": 2})
    assert answer.json == {"count": 2, "dry_run": False}
    found = [read(staff, key) for key in (one, two, asleep)]
    assert [each["status"] for each in found] == ["resolved"] * 3
    assert found[2]["snoozed_until"] is None
    path = "/v1/events?action=resolved&object_id="
    first, second = (staff.get(path + key).json["items"][0]["changes"] for key in (one, two))
    assert first.keys() == second.keys()
    assert staff.post(f"/v1/conversations/{two}/reopen").json["resolution_due_at"] is not None


@pytest.mark.parametrize("path", [ASSIGN, RESOLVE])
def test_another_count_is_refused(staff: Client, open_: Open, path: str) -> None:
    """More or fewer: 409 with both numbers, nothing is done; dry_run tells the number."""
    keys = open_(3)
    agent: dict[str, Any] = {"agent_id": None} if path == ASSIGN else {}
    for expected in (0, 2, 4):
        for dry_run in (False, True):
            answer = staff.post(
                path, {**WEB, **agent, "expected_count": expected, "dry_run": dry_run}
            )
            assert problem(answer) == (409, "count-mismatch")
            assert (answer.json["expected"], answer.json["count"]) == (expected, 3)
    tried = staff.post(path, {**WEB, **agent, "dry_run": True})
    assert (tried.status_code, tried.json) == (200, {"count": 3, "dry_run": True})
    assert [read(staff, key)["version"] for key in keys] == [1] * 3


def test_filters_are_as_in_a_query_or_as_json_has_them(staff: Client, open_: Open) -> None:
    """`true` and `"true"`, 7 and `"7"` ask for the same."""
    number = read(staff, open_(2)[0])["number"]
    for value in (number, str(number)):
        for free in (True, "true"):
            fit = {"number": value, "assignee_id__is_null": free}
            assert staff.post(RESOLVE, {"filter": fit, "dry_run": True}).json["count"] == 1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"filter": {}, "expected_count": 0}, {"/filter": "length"}),
        ({"filter": {"nope": "1"}, "expected_count": 0}, {"/filter/nope": "invalid-parameter"}),
        ({"filter": {"number": "x"}, "expected_count": 0}, {"/filter/number": "invalid-parameter"}),
        ({"filter": {"number": [1]}, "expected_count": 0}, {"/filter/number": "type"}),
        ({"filter": {"subject": 1}, "expected_count": 0}, {"/filter/subject": "type"}),
        ({"filter": {"number__in": 1}, "expected_count": 0}, {"/filter/number__in": "type"}),
        ({"filter": {"": []}, "expected_count": 0}, {"/filter/": "invalid-parameter"}),
        (WEB, {"/expected_count": "required"}),
        ({**WEB, "expected_count": 1001}, {"/expected_count": "range"}),
        ({"expected_count": 0}, {"/filter": "required"}),
    ],
)
def test_what_is_wrong_is_pointed_at(
    staff: Client, body: dict[str, Any], expected: dict[str, str]
) -> None:
    """Filters too, under their names."""
    answer = staff.post(RESOLVE, body)
    assert problem(answer) == (422, "validation-error")
    assert codes(answer) == expected


def test_forty_take_as_many_messages_as_one(
    staff: Client, hire: Callable[..., Client], open_: Open, round_trips: RoundTrips
) -> None:
    """The agent, the rows, who had them, one UPDATE, the events, COMMIT; none per conversation."""
    bot, ann = hire("bot").user_id, hire("ann", kind="human").user_id
    sent = []
    for count in (1, 40):
        open_(count, assignee_id=bot)
        for path, more in ((ASSIGN, {"agent_id": ann}), (RESOLVE, {})):
            round_trips.take()
            body = {"filter": {"status": "open"}, **more, "expected_count": count}
            assert staff.post(path, body).status_code == 200
            sent.append(len(round_trips.take()))
    assert sent == [6, 4] * 2
