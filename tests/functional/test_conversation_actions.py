"""Actions move a conversation on: which its status allows, and what each of them writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.client import Client, codes, problem
from tests.conversations import NOBODY, PATH, STATUSES, actions_of, events_of, moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.client import Answer

    Start = Callable[..., str]


ALLOWED = {
    "open": ["assign", "close", "merge", "message", "resolve", "snooze", "update"],
    "pending": ["assign", "close", "merge", "message", "reopen", "resolve", "snooze", "update"],
    "snoozed": ["assign", "close", "merge", "message", "reopen", "resolve", "snooze", "update"],
    "resolved": ["assign", "close", "merge", "message", "reopen", "update"],
    "closed": [],
}
BECOMES = {
    "snooze": "snoozed",
    "resolve": "resolved",
    "reopen": "open",
    "close": "closed",
}


def _act(client: Client, path: str, action: str, body: Any = None, **headers: str) -> Answer:
    """Do it with what it needs; a message is a note, which changes no status."""
    bodies: dict[str, Any] = {
        "assign": {"agent_id": None},
        "snooze": {"until": moment(hours=2)},
        "merge": {"into": str(uuid4())},
        "message": {"direction": "note", "body": "Hm."},
    }
    body = bodies.get(action) if body is None else body
    if action == "update":
        return client.patch(path, {"subject": "New"}, **headers)
    verb = "messages" if action == "message" else action
    return client.post(f"{path}/{verb}", body, **headers)


@pytest.mark.parametrize("action", ALLOWED["pending"])
@pytest.mark.parametrize("status", STATUSES)
def test_each_status_allows_what_the_table_says(
    staff: Client, start: Start, status: str, action: str
) -> None:
    """And refuses the rest, with where it stands and what may be done, and no trace."""
    path = start(status)
    other = {"into": start().rpartition("/")[2]} if action == "merge" else None
    before, events = staff.get(path).json, actions_of(staff, path)
    answer = _act(staff, path, action, other)
    if action in ALLOWED[status]:
        assert answer.status_code in (200, 201), answer.text
        expected = "closed" if action == "merge" else BECOMES.get(action, status)
        assert staff.get(path).json["status"] == expected
        return
    assert problem(answer) == (409, "invalid-transition")
    assert (answer.json["from"], answer.json["allowed"]) == (status, ALLOWED[status])
    assert (staff.get(path).json, actions_of(staff, path)) == (before, events)


@pytest.mark.parametrize(
    ("action", "status", "event"),
    [
        ("snooze", "open", "snoozed"),
        ("resolve", "pending", "resolved"),
        ("reopen", "resolved", "reopened"),
        ("close", "snoozed", "closed"),
    ],
)
def test_an_action_tells_what_it_did(
    staff: Client, start: Start, action: str, status: str, event: str
) -> None:
    """One event by whoever did it, with the status before and after, and its moment."""
    path = start(status)
    before = staff.get(path).json
    after = _act(staff, path, action).json
    assert after["version"] == before["version"] + 1
    assert after["status_changed_at"] > before["status_changed_at"]
    reported = events_of(staff, path)[-1]
    assert (reported["action"], reported["actor"]["id"]) == (event, staff.user_id)
    assert reported["changes"]["status"] == {"before": status, "after": after["status"]}
    moments = {"before": before["status_changed_at"], "after": after["status_changed_at"]}
    assert reported["changes"]["status_changed_at"] == moments
    for name, change in reported["changes"].items():
        assert change == {"before": before[name], "after": after[name]}


@pytest.mark.parametrize(
    "action", ["assign", "snooze", "resolve", "reopen", "close", "merge", "update"]
)
def test_a_stale_if_match_stops_every_action(staff: Client, start: Start, action: str) -> None:
    """412, and nothing is done; under the current version it goes through."""
    path = start("pending")
    bodies = {
        "resolve": {"message": {"body": "Done."}},
        "merge": {"into": start().rpartition("/")[2]},
    }
    answer = staff.get(path)
    messages = staff.get(f"{path}/messages").json
    for stale in ('"1"', f"W/{answer.headers['ETag']}"):
        refused = _act(staff, path, action, bodies.get(action), if_match=stale)
        assert problem(refused) == (412, "precondition-failed")
    assert staff.get(path).json == answer.json
    assert staff.get(f"{path}/messages").json == messages
    done = _act(staff, path, action, bodies.get(action), if_match=answer.headers["ETag"])
    assert done.status_code == 200, done.text


@pytest.mark.parametrize("action", ["assign", "snooze", "resolve", "reopen", "close", "merge"])
def test_what_is_not_there_is_not_acted_on(staff: Client, start: Start, action: str) -> None:
    """Neither what never was nor what was deleted; a merge looks for the source first."""
    path = start("pending")
    staff.delete(path)
    for missing in (path, f"{PATH}/{uuid4()}"):
        assert problem(_act(staff, missing, action)) == (404, "not-found")


@pytest.mark.parametrize(
    ("action", "body", "mistakes"),
    [
        ("assign", {}, {"/agent_id": "required"}),
        ("assign", {"agent_id": 1}, {"/agent_id": "type"}),
        ("assign", {"agent_id": "x"}, {"/agent_id": "format"}),
        ("assign", {"agent_id": None, "reason": ""}, {"/reason": "length"}),
        ("assign", {"agent_id": None, "reason": "a" * 1001}, {"/reason": "length"}),
        ("assign", {"agent_id": NOBODY}, {"/agent_id": "unknown-reference"}),
        ("snooze", {}, {"/until": "required"}),
        ("snooze", {"until": None}, {"/until": "null"}),
        ("snooze", {"until": "tomorrow"}, {"/until": "format"}),
        ("snooze", {"until": "2099-01-01T00:00:00"}, {"/until": "format"}),
        ("snooze", {"until": "2099-02-30T00:00:00Z"}, {"/until": "format"}),
        ("snooze", {"until": "2020-01-01T00:00:00Z"}, {"/until": "range"}),
        ("resolve", {"message": {"body": ""}}, {"/message/body": "length"}),
        (
            "resolve",
            {"message": {"body": "x", "direction": "inbound"}},
            {"/message/direction": "unknown-field"},
        ),
        (
            "resolve",
            {"complete_task": {"id": NOBODY}},
            {"/complete_task/lease_token": "required"},
        ),
        (
            "resolve",
            {"complete_task": {"id": NOBODY, "lease_token": "x"}},
            {"/complete_task/id": "unknown-reference"},
        ),
        ("reopen", {"why": "x"}, {"/why": "unknown-field"}),
        ("close", {"status": "open"}, {"/status": "unknown-field"}),
        ("merge", {}, {"/into": "required"}),
        ("merge", {"into": None}, {"/into": "null"}),
    ],
)
def test_an_action_says_what_is_wrong_with_its_body(
    staff: Client, start: Start, action: str, body: Any, mistakes: dict[str, str]
) -> None:
    """422 with pointers, and the conversation is as it was."""
    path = start("pending")
    before = staff.get(path).json
    answer = staff.post(f"{path}/{action}", body)
    assert problem(answer) == (422, "validation-error")
    assert codes(answer) == mistakes
    assert staff.get(path).json == before


@pytest.mark.parametrize("action", ["resolve", "reopen", "close"])
def test_what_needs_no_body_takes_none(staff: Client, start: Start, action: str) -> None:
    """An empty one without Content-Type, or an empty object; null is neither."""
    for raw in (b"", b"{}"):
        path = start("pending")
        kind = "application/json" if raw else None
        answer = staff.send("POST", f"{path}/{action}", raw=raw, content_type=kind)
        assert answer.status_code == 200, answer.text
    assert codes(staff.send("POST", f"{start('pending')}/{action}", raw=b"null")) == {"": "type"}
