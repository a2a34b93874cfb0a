"""Conversations: opened, changed, moved on by actions, found again; each step with its event."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg2
import pytest

from app import create_app
from app.db.listing import format_timestamp
from app.services import ConversationLifecycle
from app.settings import Settings
from tests.client import Client, codes, problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.db import Database
    from tests.client import Answer

    Sql = Callable[..., list[tuple[Any, ...]]]
    Start = Callable[..., str]

PATH = "/v1/conversations"
NOBODY = "01a00000-0000-7000-8000-000000000000"
STATUSES = ["open", "pending", "snoozed", "resolved", "closed"]
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
TASK = {"kind": "reply", "queue": "work"}
HELLO = {"body": "Hello?"}


@pytest.fixture
def customer(staff: Client) -> str:
    """The id of a customer."""
    ann = {"reference": "C-1", "name": "Ann"}
    created: str = staff.create("/v1/customers", ann)["id"]
    return created


@pytest.fixture
def start(staff: Client, customer: str) -> Start:
    """Open a conversation and bring it into a status; answers its path."""

    def start(status: str = "open", **values: Any) -> str:
        body = {"customer_id": customer, "subject": "Help", "channel": "email", **values}
        path = f"{PATH}/{staff.create(PATH, body)['id']}"
        if status == "pending":
            staff.create(f"{path}/messages", {"direction": "outbound", "body": "Yes?"})
        elif status == "snoozed":
            staff.post(f"{path}/snooze", {"until": _moment(hours=1)})
        elif status == "resolved":
            staff.post(f"{path}/resolve")
        elif status == "closed":
            staff.post(f"{path}/close")
        assert staff.get(path).json["status"] == status
        return path

    return start


@pytest.fixture
def rooms(database_url: str) -> Iterator[Callable[..., Client]]:
    """The same service under other settings, for who is given."""
    apps = []

    def enter(client: Client, **values: Any) -> Client:
        app = create_app(Settings(database_url=database_url, given_secret_key="k" * 32, **values))
        apps.append(app)
        return Client(app, client.token, user_id=client.user_id)

    yield enter
    for app in apps:
        app.extensions["database"].dispose()


def _moment(**ahead: float) -> str:
    return format_timestamp(datetime.now(UTC) + timedelta(**ahead))


def _events(client: Client, path: str) -> list[dict[str, Any]]:
    """What happened to it, the first first."""
    query = f"object_id={path.rpartition('/')[2]}&sort=occurred_at&limit=100"
    items: list[dict[str, Any]] = client.get(f"/v1/events?{query}").json["items"]
    return items


def _actions(client: Client, path: str) -> list[str]:
    return [event["action"] for event in _events(client, path)]


def _totals(client: Client) -> list[int]:
    return [
        client.get(f"/v1/{name}?include_total=true").json["total"]
        for name in ("conversations", "tasks", "events")
    ]


# Opening


def test_a_new_conversation_has_every_field(staff: Client, customer: str) -> None:
    """It is open, nobody's, of normal priority, numbered, and both its clocks run."""
    body = {"customer_id": customer, "subject": "Help", "channel": "chat"}
    answer = staff.post(PATH, body)
    created = answer.json
    assert (answer.status_code, answer.headers["ETag"]) == (201, '"1:0"')
    assert answer.headers["Location"] == f"{PATH}/{created['id']}"
    assert staff.get(f"{PATH}/{created['id']}").json == created
    for due in ("first_response_due_at", "resolution_due_at"):
        assert created.pop(due) > created["status_changed_at"]
    bookkeeping = {"id", "version", "created_at", "updated_at", "status_changed_at", "number"}
    assert {name: value for name, value in created.items() if name not in bookkeeping} == {
        **body,
        "priority": "normal",
        "tags": [],
        "assignee_id": None,
        "assignment_reason": None,
        "status": "open",
        "snoozed_until": None,
        "first_responded_at": None,
        "merged_into_id": None,
    }


def test_numbers_rise_and_never_repeat(staff: Client, start: Start) -> None:
    """They are what people call a conversation by."""
    numbers = [staff.get(start()).json["number"] for _ in range(3)]
    assert numbers == sorted(set(numbers))


def test_it_is_opened_with_its_first_message_and_a_task(staff: Client, customer: str) -> None:
    """The message is the customer's and has number 1; the task is about the conversation."""
    body = {"customer_id": customer, "subject": "Help", "channel": "email"}
    opened = staff.create(PATH, {**body, "message": HELLO, "task": TASK})
    assert (opened["status"], opened["version"]) == ("open", 1)
    [message] = staff.get(f"{PATH}/{opened['id']}/messages").json["items"]
    assert (message["seq"], message["direction"], message["body"]) == (1, "inbound", "Hello?")
    assert message["author"] == {"type": "customer", "id": customer, "name": "Ann"}
    [task] = staff.get(f"/v1/tasks?conversation_id={opened['id']}").json["items"]
    assert (task["kind"], task["status"]) == ("reply", "pending")


def test_the_desk_may_write_first(staff: Client, customer: str) -> None:
    """Then it waits for the customer, and the first response is given."""
    body = {"customer_id": customer, "subject": "News", "channel": "email"}
    message = {**HELLO, "direction": "outbound"}
    opened = staff.create(PATH, {**body, "message": message})
    assert opened["status"] == "pending"
    assert opened["first_responded_at"] is not None
    assert _actions(staff, opened["id"]) == ["created", "answered"]


@pytest.mark.parametrize(
    ("task", "pointer"),
    [
        ({**TASK, "agent_id": NOBODY}, "/task/agent_id"),
        ({**TASK, "queue": "No!"}, "/task/queue"),
        ({**TASK, "conversation_id": NOBODY}, "/task/conversation_id"),
        ({"queue": "work"}, "/task/kind"),
        (None, "/task"),
    ],
)
def test_a_bad_task_leaves_nothing(staff: Client, customer: str, task: Any, pointer: str) -> None:
    """No conversation, no message, no event: it is one unit of work."""
    before = _totals(staff)
    body = {"customer_id": customer, "subject": "Help", "channel": "email", "message": HELLO}
    for message in (HELLO, {**HELLO, "external_id": "m-1"}):
        answer = staff.post(PATH, {**body, "message": message, "task": task})
        assert problem(answer) == (422, "validation-error")
        assert list(codes(answer)) == [pointer]
    assert _totals(staff) == before
    assert staff.post(PATH, {**body, "message": message}).status_code == 201  # it is not known


@pytest.mark.parametrize(
    ("values", "mistakes"),
    [
        ({"customer_id": NOBODY}, {"/customer_id": "unknown-reference"}),
        ({"customer_id": "1"}, {"/customer_id": "format"}),
        ({"customer_id": None}, {"/customer_id": "null"}),
        ({"assignee_id": NOBODY}, {"/assignee_id": "unknown-reference"}),
        ({"subject": ""}, {"/subject": "length"}),
        ({"subject": " "}, {"/subject": "length"}),
        ({"subject": "a" * 501}, {"/subject": "length"}),
        ({"subject": "a\0"}, {"/subject": "invalid-character"}),
        ({"channel": "pigeon"}, {"/channel": "choice"}),
        ({"channel": None}, {"/channel": "null"}),
        ({"priority": "Urgent"}, {"/priority": "choice"}),
        ({"priority": 1}, {"/priority": "type"}),
        ({"tags": "vip"}, {"/tags": "type"}),
        ({"tags": ["a", "a"]}, {"/tags": "duplicate"}),
        ({"tags": ["a", ""]}, {"/tags/1": "length"}),
        ({"tags": [None]}, {"/tags/0": "null"}),
        ({"tags": ["a\0"]}, {"/tags/0": "invalid-character"}),
        ({"tags": [str(n) for n in range(51)]}, {"/tags": "length"}),
        ({"status": "closed"}, {"/status": "read-only-field"}),
        ({"number": 1}, {"/number": "read-only-field"}),
        ({"merged_into_id": NOBODY}, {"/merged_into_id": "read-only-field"}),
        ({"last_seq": 7}, {"/last_seq": "unknown-field"}),
        ({"resolution_left": None}, {"/resolution_left": "unknown-field"}),
        ({"message": {}}, {"/message/body": "required"}),
        ({"message": "Hello?"}, {"/message": "type"}),
        ({"message": {"body": "\ud800"}}, {"/message/body": "invalid-character"}),
        ({"message": {**HELLO, "direction": "up"}}, {"/message/direction": "choice"}),
        ({"message": {**HELLO, "seq": 1}}, {"/message/seq": "unknown-field"}),
        ({"message": {**HELLO, "author": {}}}, {"/message/author": "unknown-field"}),
    ],
)
def test_what_is_wrong_is_pointed_at(
    staff: Client, customer: str, values: dict[str, Any], mistakes: dict[str, str]
) -> None:
    """Each is 422 with its pointer, and nothing is made."""
    body = {"customer_id": customer, "subject": "Help", "channel": "email", **values}
    raw = _json(body)
    answer = staff.send("POST", PATH, raw=raw)
    assert problem(answer) == (422, "validation-error")
    assert codes(answer) == mistakes
    assert staff.get(PATH).json["items"] == []


def _json(body: Any) -> bytes:
    import json  # noqa: PLC0415 - orjson, which the client uses, writes no lone surrogates

    return json.dumps(body).encode()


def test_a_deleted_customer_opens_nothing(staff: Client, customer: str) -> None:
    """Nor may a conversation be handed over to one."""
    other = staff.create("/v1/customers", {"reference": "C-2", "name": "Bob"})["id"]
    opened = {"customer_id": customer, "subject": "Help", "channel": "web"}
    path = f"{PATH}/{staff.create(PATH, opened)['id']}"
    staff.delete(f"/v1/customers/{other}")
    answers = [
        staff.post(PATH, {**opened, "customer_id": other}),
        staff.patch(path, {"customer_id": other}),
    ]
    for answer in answers:
        assert codes(answer) == {"/customer_id": "unknown-reference"}


# Changing


def test_patch_changes_what_it_names(staff: Client, start: Start) -> None:
    """Subject, priority, tags and assignee; one version on, and an event of what differs."""
    path = start()
    answer = staff.patch(path, {"subject": "Help!", "tags": ["vip"], "priority": "normal"})
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2:0"')
    assert (answer.json["subject"], answer.json["tags"]) == ("Help!", ["vip"])
    assert staff.get(path).json == answer.json
    event = _events(staff, path)[-1]
    assert event["action"] == "updated"
    assert event["changes"] == {
        "subject": {"before": "Help", "after": "Help!"},
        "tags": {"before": [], "after": ["vip"]},
    }


@pytest.mark.parametrize(
    "field",
    [
        "id",
        "version",
        "number",
        "channel",
        "status",
        "status_changed_at",
        "snoozed_until",
        "assignment_reason",
        "first_response_due_at",
        "first_responded_at",
        "resolution_due_at",
        "merged_into_id",
        "created_at",
    ],
)
def test_what_the_server_sets_is_not_patched(staff: Client, start: Start, field: str) -> None:
    """The channel stays too: messages were delivered through it."""
    path = start()
    before = staff.get(path).json
    for value in (before[field], None):
        answer = staff.patch(path, {field: value, "subject": "New"})
        assert problem(answer) == (422, "validation-error")
        assert codes(answer) == {f"/{field}": "read-only-field"}
    assert staff.get(path).json == before


@pytest.mark.parametrize("status", STATUSES)
def test_a_closed_one_is_not_changed(staff: Client, start: Start, status: str) -> None:
    """All others are; a patch that changes nothing is no change anywhere."""
    path = start(status)
    before = staff.get(path).json
    for values in ({"subject": "New"}, {"priority": "urgent"}, {"tags": ["vip"]}):
        answer = staff.patch(path, values)
        if status != "closed":
            assert answer.status_code == 200
            continue
        assert problem(answer) == (409, "invalid-transition")
        assert (answer.json["from"], answer.json["allowed"]) == ("closed", [])
    if status == "closed":
        assert staff.get(path).json == before
    now = staff.get(path).json
    for values in ({}, {"subject": now["subject"], "priority": now["priority"]}):
        assert staff.patch(path, values).json == now


# Actions


def _act(client: Client, path: str, action: str, body: Any = None, **headers: str) -> Answer:
    """Do it with what it needs; a message is a note, which changes no status."""
    bodies: dict[str, Any] = {
        "assign": {"agent_id": None},
        "snooze": {"until": _moment(hours=2)},
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
    before, events = staff.get(path).json, _actions(staff, path)
    answer = _act(staff, path, action, other)
    if action in ALLOWED[status]:
        assert answer.status_code in (200, 201), answer.text
        expected = "closed" if action == "merge" else BECOMES.get(action, status)
        assert staff.get(path).json["status"] == expected
        return
    assert problem(answer) == (409, "invalid-transition")
    assert (answer.json["from"], answer.json["allowed"]) == (status, ALLOWED[status])
    assert (staff.get(path).json, _actions(staff, path)) == (before, events)


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
    told = _events(staff, path)[-1]
    assert (told["action"], told["actor"]["id"]) == (event, staff.user_id)
    assert told["changes"]["status"] == {"before": status, "after": after["status"]}
    moments = {"before": before["status_changed_at"], "after": after["status_changed_at"]}
    assert told["changes"]["status_changed_at"] == moments
    for name, change in told["changes"].items():
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


# Assigning


def test_assigned_to_an_agent_and_to_nobody(
    staff: Client, start: Start, hire: Callable[..., Client]
) -> None:
    """With the reason, which goes when somebody else, or nobody, gets it."""
    path, bot = start(), hire().user_id
    answer = staff.post(f"{path}/assign", {"agent_id": bot, "reason": "Knows it."})
    assert (answer.status_code, answer.json["assignee_id"]) == (200, bot)
    assert answer.json["assignment_reason"] == "Knows it."
    nobody = staff.post(f"{path}/assign", {"agent_id": None}).json
    assert (nobody["assignee_id"], nobody["assignment_reason"]) == (None, None)
    first, second = _events(staff, path)[1:]
    assert (first["action"], second["action"]) == ("assigned", "assigned")
    assert first["changes"] == {
        "assignee_id": {"before": None, "after": bot},
        "assignment_reason": {"before": None, "after": "Knows it."},
    }


def test_handed_off_between_a_person_and_a_program(
    staff: Client, start: Start, hire: Callable[..., Client]
) -> None:
    """That, and only that, is a hand-off; the event has the reason for it."""
    path = start()
    agents = [
        hire("bot").user_id,
        hire("bot 2").user_id,
        hire("eve", kind="human").user_id,
        hire("una", kind="human").user_id,
        hire("bot 3").user_id,
    ]
    for number, agent in enumerate(agents):
        staff.post(f"{path}/assign", {"agent_id": agent, "reason": f"Reason {number}"})
    actions = ["assigned", "assigned", "handed-off", "assigned", "handed-off"]
    events = _events(staff, path)[1:]
    assert [event["action"] for event in events] == actions
    assert events[2]["changes"] == {
        "assignee_id": {"before": agents[1], "after": agents[2]},
        "assignment_reason": {"before": "Reason 1", "after": "Reason 2"},
    }


def test_assigning_again_leaves_no_trace(
    staff: Client, start: Start, hire: Callable[..., Client]
) -> None:
    """The same agent for the same reason: no version, no event."""
    path, body = start(), {"agent_id": hire().user_id, "reason": "Knows it."}
    answers = [staff.post(f"{path}/assign", body) for _ in range(2)]
    assert answers[0].json == answers[1].json
    assert _actions(staff, path) == ["created", "assigned"]


def test_only_an_active_agent_is_assigned(
    staff: Client, start: Start, customer: str, hire: Callable[..., Client]
) -> None:
    """Neither one who is away nor one who was deleted, by whichever way."""
    path, away, gone = start(), hire("away").user_id, hire("gone").user_id
    staff.patch(f"/v1/agents/{away}", {"is_active": False})
    staff.delete(f"/v1/agents/{gone}")
    opened = {"customer_id": customer, "subject": "Help", "channel": "email"}
    for agent, code in ((away, "inactive"), (gone, "unknown-reference")):
        assert codes(staff.post(f"{path}/assign", {"agent_id": agent})) == {"/agent_id": code}
        assert codes(staff.patch(path, {"assignee_id": agent})) == {"/assignee_id": code}
        answer = staff.post(PATH, {**opened, "assignee_id": agent})
        assert codes(answer) == {"/assignee_id": code}
    assert staff.get(path).json["version"] == 1


def test_a_patched_assignee_has_no_old_reason(
    staff: Client, start: Start, hire: Callable[..., Client]
) -> None:
    """The reason was for whoever was assigned then."""
    path, first, second = start(), hire("one").user_id, hire("two").user_id
    staff.post(f"{path}/assign", {"agent_id": first, "reason": "Knows it."})
    same = staff.patch(path, {"assignee_id": first, "subject": "New"}).json
    assert same["assignment_reason"] == "Knows it."
    patched = staff.patch(path, {"assignee_id": second}).json
    assert (patched["assignee_id"], patched["assignment_reason"]) == (second, None)


# Snoozing and waking


def test_snoozed_until_then(staff: Client, start: Start) -> None:
    """The moment can be moved, which is no change of status, and goes with the status."""
    path, until, later = start(), _moment(hours=1), _moment(hours=2)
    first = staff.post(f"{path}/snooze", {"until": until}).json
    assert (first["status"], first["snoozed_until"]) == ("snoozed", until)
    second = staff.post(f"{path}/snooze", {"until": later}).json
    assert second["snoozed_until"] == later
    assert second["status_changed_at"] == first["status_changed_at"]
    assert staff.post(f"{path}/reopen").json["snoozed_until"] is None


def test_snoozed_in_any_zone(staff: Client, start: Start) -> None:
    """It is answered in UTC."""
    answer = staff.post(f"{start()}/snooze", {"until": "2999-01-01T00:00:00+02:00"})
    assert answer.json["snoozed_until"] == "2998-12-31T22:00:00Z"


@pytest.mark.parametrize("ago", [0, 1, 86_400])
def test_the_past_is_no_time_to_wake(staff: Client, start: Start, ago: int) -> None:
    """Nor is this very moment."""
    answer = staff.post(f"{start()}/snooze", {"until": _moment(seconds=-ago)})
    assert codes(answer) == {"/until": "range"}


def test_what_is_due_wakes_once(
    admin: Client, staff: Client, start: Start, sql: Sql, database: Database
) -> None:
    """It is open again, by nobody in particular; what is not due or deleted sleeps on."""
    due, later, gone = start("snoozed"), start("snoozed"), start("snoozed")
    staff.delete(gone)
    for path in (due, gone):
        _make_due(sql, path)
    lifecycle = ConversationLifecycle.as_system(database)
    assert [lifecycle.wake_due(), lifecycle.wake_due()] == [1, 0]
    woken = staff.get(due).json
    assert (woken["status"], woken["snoozed_until"]) == ("open", None)
    event = _events(staff, due)[-1]
    assert (event["action"], event["actor"]["type"]) == ("woken", "system")
    assert event["changes"]["status"] == {"before": "snoozed", "after": "open"}
    assert staff.get(later).json["status"] == "snoozed"
    assert admin.get(f"{gone}?include_deleted=true").json["status"] == "snoozed"


def test_many_alarm_clocks_wake_each_one_once(
    staff: Client, start: Start, sql: Sql, database: Database
) -> None:
    """Several jobs at the same time share the work, and no conversation is woken twice."""
    paths = [start("snoozed") for _ in range(30)]
    _make_due(sql)
    lifecycle, ready = ConversationLifecycle.as_system(database), threading.Barrier(4)

    def wake(_: int) -> int:
        ready.wait()
        return sum(lifecycle.wake_due() for _ in range(2))

    with ThreadPoolExecutor(4) as pool:
        woken = list(pool.map(wake, range(4)))
    assert sum(woken) + lifecycle.wake_due() == len(paths)
    for path in paths:
        assert _actions(staff, path) == ["created", "snoozed", "woken"]


def test_what_somebody_else_holds_wakes_the_next_time(
    staff: Client, start: Start, sql: Sql, database: Database, database_url: str
) -> None:
    """The job waits for nobody: it goes on with the others."""
    held, free = start("snoozed"), start("snoozed")
    _make_due(sql)
    lifecycle = ConversationLifecycle.as_system(database)
    with closing(psycopg2.connect(database_url)) as holder, holder.cursor() as cursor:
        key = held.rpartition("/")[2]
        cursor.execute("SELECT FROM conversations WHERE id = %s FOR UPDATE", (key,))
        assert lifecycle.wake_due() == 1
        assert staff.get(free).json["status"] == "open"
        holder.rollback()
    assert lifecycle.wake_due() == 1
    assert staff.get(held).json["status"] == "open"


def _make_due(sql: Sql, path: str | None = None) -> None:
    """Let what is snoozed, or this one, be due a second ago."""
    sql(
        "UPDATE conversations SET snoozed_until = now() - interval '1 second'"
        " WHERE status = 'snoozed' AND (%s IS NULL OR id = %s::uuid)",
        path,
        path and path.rpartition("/")[2],
    )


# Re-opening


def _write(client: Client, path: str, direction: str) -> None:
    client.create(f"{path}/messages", {"direction": direction, "body": "x"})


@pytest.mark.parametrize("status", ["open", "pending", "snoozed", "resolved"])
@pytest.mark.parametrize(
    ("direction", "becomes"),
    [
        ("inbound", {}),
        ("outbound", {"open": "pending", "snoozed": "pending", "pending": "pending"}),
        ("note", {status: status for status in STATUSES}),
    ],
)
def test_a_message_moves_the_conversation_on(
    staff: Client, start: Start, status: str, direction: str, becomes: dict[str, str]
) -> None:
    """The customer's re-opens it, an answer makes it wait, a note does nothing."""
    path = start(status)
    before = staff.get(path).json
    _write(staff, path, direction)
    after = staff.get(path).json
    default = "open" if direction == "inbound" else status
    assert after["status"] == becomes.get(status, default)
    if after["status"] == before["status"] and direction != "outbound":
        assert after == before
    elif direction == "inbound":
        assert _actions(staff, path)[-1] == "reopened"
    if after["status"] != "snoozed":
        assert after["snoozed_until"] is None


@pytest.mark.parametrize(("days", "status"), [(6.99, "open"), (7.01, "resolved")])
def test_a_resolved_one_is_reopened_within_the_window(
    staff: Client, start: Start, sql: Sql, days: float, status: str
) -> None:
    """A week, unless the firm says otherwise; a message that is later is kept all the same."""
    path = start("resolved")
    sql("UPDATE conversations SET status_changed_at = now() - %s * interval '1 day'", days)
    _write(staff, path, "inbound")
    assert staff.get(path).json["status"] == status
    assert len(staff.get(f"{path}/messages").json["items"]) == 1
    assert staff.post(f"{path}/close").json["status"] == "closed"


@pytest.mark.parametrize(("window", "status"), [(60, "resolved"), (7200, "open")])
def test_the_window_is_the_firms(
    staff: Client,
    start: Start,
    sql: Sql,
    rooms: Callable[..., Client],
    *,
    window: int,
    status: str,
) -> None:
    """An hour after it was resolved, the setting decides."""
    path = start("resolved")
    sql("UPDATE conversations SET status_changed_at = now() - interval '1 hour'")
    _write(rooms(staff, reopen_window=window), path, "inbound")
    assert staff.get(path).json["status"] == status


def test_the_window_binds_customers_alone(staff: Client, start: Start, sql: Sql) -> None:
    """The desk re-opens by hand, however late."""
    path = start("resolved")
    sql("UPDATE conversations SET status_changed_at = now() - interval '1 year'")
    assert staff.post(f"{path}/reopen").json["status"] == "open"


def test_the_first_answer_is_the_first_response(staff: Client, start: Start) -> None:
    """Neither a note nor the customer's own message is one, and a second answer changes nothing."""
    path = start()
    for direction in ("note", "inbound"):
        _write(staff, path, direction)
    assert staff.get(path).json["first_responded_at"] is None
    _write(staff, path, "outbound")
    first = staff.get(path).json["first_responded_at"]
    assert first is not None
    _write(staff, path, "inbound")
    _write(staff, path, "outbound")
    assert staff.get(path).json["first_responded_at"] == first


# Resolving


@pytest.fixture
def bot(hire: Callable[..., Client]) -> Client:
    return hire()


@pytest.fixture
def claimed(start: Start, bot: Client) -> tuple[str, dict[str, Any]]:
    """The path of a conversation, and its task as a program runs it."""
    return start(task=TASK), bot.post("/v1/tasks/claim", {}).json["items"][0]


def test_resolved_with_a_last_word_and_its_task(
    staff: Client, claimed: tuple[str, dict[str, Any]]
) -> None:
    """The answer is sent, the task completed and the conversation resolved, all at once."""
    path, task = claimed
    done = {"id": task["id"], "lease_token": task["lease_token"], "output": {"sent": True}}
    answer = staff.post(f"{path}/resolve", {"message": {"body": "Bye."}, "complete_task": done})
    assert (answer.status_code, answer.json["status"]) == (200, "resolved")
    assert answer.json["first_responded_at"] is not None
    [message] = staff.get(f"{path}/messages").json["items"]
    assert (message["direction"], message["body"]) == ("outbound", "Bye.")
    assert message["author"] == {"type": "user", "id": staff.user_id, "name": "Staff"}
    completed = staff.get(f"/v1/tasks/{task['id']}").json
    assert (completed["status"], completed["output"]) == ("completed", {"sent": True})
    assert _actions(staff, path) == ["created", "resolved"]
    assert _actions(staff, task["id"])[-1] == "completed"
    assert _actions(staff, message["id"]) == ["created"]


@pytest.mark.parametrize("token", [NOBODY, "nonsense"])
def test_a_wrong_lease_leaves_nothing_done(
    staff: Client, claimed: tuple[str, dict[str, Any]], token: str
) -> None:
    """No message, no status, no event: who lost the task resolves nothing with it."""
    path, task = claimed
    before, totals = staff.get(path).json, _totals(staff)
    body = {"message": {"body": "Bye."}, "complete_task": {"id": task["id"], "lease_token": token}}
    assert problem(staff.post(f"{path}/resolve", body)) == (409, "lease-lost")
    assert (staff.get(path).json, _totals(staff)) == (before, totals)
    assert staff.get(f"{path}/messages").json["items"] == []
    assert staff.get(f"/v1/tasks/{task['id']}").json["status"] == "running"


def test_another_conversations_task_is_not_completed(
    staff: Client, start: Start, claimed: tuple[str, dict[str, Any]]
) -> None:
    """Whoever holds it: here it is unknown."""
    task = claimed[1]
    done = {"id": task["id"], "lease_token": task["lease_token"]}
    path = start()
    answer = staff.post(f"{path}/resolve", {"complete_task": done})
    assert codes(answer) == {"/complete_task/id": "unknown-reference"}
    assert staff.get(path).json["status"] == "open"
    assert staff.get(f"/v1/tasks/{task['id']}").json["status"] == "running"


def test_a_task_with_open_subtasks_keeps_it_unresolved(
    staff: Client, claimed: tuple[str, dict[str, Any]]
) -> None:
    """What the task does not allow, the conversation does not get."""
    path, task = claimed
    staff.create("/v1/tasks", {**TASK, "parent_id": task["id"]})
    done = {"id": task["id"], "lease_token": task["lease_token"]}
    answer = staff.post(f"{path}/resolve", {"message": HELLO, "complete_task": done})
    assert problem(answer) == (409, "open-subtasks")
    assert staff.get(path).json["status"] == "open"
    assert staff.get(f"{path}/messages").json["items"] == []


def test_a_last_word_that_was_sent_before_is_a_conflict(staff: Client, start: Start) -> None:
    """It is not sent twice, and nothing is resolved with somebody else's message."""
    start(message={**HELLO, "external_id": "m-1"})
    path = start()
    answer = staff.post(f"{path}/resolve", {"message": {"body": "Bye.", "external_id": "m-1"}})
    assert problem(answer) == (409, "external-id-reused")
    assert codes(answer) == {"/message/external_id": "external-id-reused"}
    assert staff.get(f"{path}/messages").json["items"] == []
    assert staff.get(path).json["status"] == "open"


def test_a_last_word_that_was_sent_is_not_sent_again(staff: Client, start: Start) -> None:
    """The same words to the same customer under the same external_id: it is resolved with them."""
    path, bye = start(), {"body": "Bye.", "external_id": "m-1"}
    sent = staff.create(f"{path}/messages", {**bye, "direction": "outbound"})
    responded = staff.get(path).json["first_responded_at"]
    resolved = staff.post(f"{path}/resolve", {"message": bye})
    assert (resolved.status_code, resolved.json["status"]) == (200, "resolved")
    assert resolved.json["first_responded_at"] == responded
    assert staff.get(f"{path}/messages").json["items"] == [sent]


# Deleting


def test_a_deleted_conversation_is_nowhere(admin: Client, staff: Client, start: Start) -> None:
    """Nor are its messages, until it is restored as it was."""
    path = start(message=HELLO)
    before = staff.get(path).json
    [message] = staff.get(f"{path}/messages").json["items"]
    assert staff.delete(path).status_code == 204
    gone = [
        staff.get(path),
        staff.delete(path),
        staff.patch(path, {"subject": "New"}),
        staff.get(f"{path}/messages"),
        staff.get(f"/v1/messages/{message['id']}"),
        staff.post(f"{path}/messages", {**HELLO, "direction": "note"}),
    ]
    assert [problem(answer) for answer in gone] == [(404, "not-found")] * len(gone)
    assert staff.get(f"{PATH}?q=help&include_total=true").json["total"] == 0
    assert admin.get(f"{path}?include_deleted=true").json["deleted_at"] is not None
    restored = staff.post(f"{path}/restore")
    assert restored.json == {**before, "version": 3, "updated_at": restored.json["updated_at"]}
    assert staff.get(f"{path}/messages").json["items"] == [message]
    assert problem(staff.post(f"{path}/restore")) == (409, "not-deleted")
    assert _actions(staff, path) == ["created", "deleted", "restored"]


def test_it_is_not_deleted_while_something_needs_it(staff: Client, start: Start) -> None:
    """Tasks and to-dos that are about it, which are named; nor is its customer."""
    path = start(task=TASK)
    conversation = staff.get(path).json
    [task] = staff.get(f"/v1/tasks?conversation_id={conversation['id']}").json["items"]
    todo = staff.create("/v1/todos", {"description": "x", "conversation_id": conversation["id"]})
    customer = f"/v1/customers/{conversation['customer_id']}"
    for needed, names in ((path, {"tasks", "todos"}), (customer, {"conversations"})):
        answer = staff.delete(needed)
        assert problem(answer) == (409, "in-use")
        assert {item["detail"] for item in answer.json["errors"]} == names
    staff.delete(f"/v1/tasks/{task['id']}")
    staff.delete(f"/v1/todos/{todo['id']}")
    assert staff.delete(path).status_code == 204
    assert staff.delete(customer).status_code == 204
    assert problem(staff.post(f"{path}/restore")) == (409, "parent-deleted")


# Finding


@pytest.fixture
def three(staff: Client, start: Start, hire: Callable[..., Client]) -> dict[str, str]:
    """Three conversations by name, with values for the filters."""
    agent = hire().user_id
    return {
        "ship": start(subject="A ship sank", priority="urgent", assignee_id=agent),
        "shop": start("pending", subject="A shop 100%_", channel="web", tags=["vip"]),
        "loan": start("snoozed", subject="The LOAN", priority="low"),
        "agent": agent,
    }


def _found(client: Client, three: dict[str, str], query: str) -> list[str]:
    answer = client.get(f"{PATH}?{query}")
    assert answer.status_code == 200, answer.text
    names = {path.rpartition("/")[2]: name for name, path in three.items()}
    return [names[item["id"]] for item in answer.json["items"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=open", ["ship"]),
        ("status__ne=open", ["shop", "loan"]),
        ("status__in=open,snoozed", ["ship", "loan"]),
        ("channel=web", ["shop"]),
        ("priority__in=low,urgent", ["ship", "loan"]),
        ("subject__contains=SHO", ["shop"]),
        ("subject=The LOAN", ["loan"]),
        ("assignee_id={agent}", ["ship"]),
        ("assignee_id__is_null=true", ["shop", "loan"]),
        ("snoozed_until__is_null=false", ["loan"]),
        ("snoozed_until__gt=2020-01-01T00:00:00Z", ["loan"]),
        ("first_responded_at__is_null=false", ["shop"]),
        ("merged_into_id__is_null=false", []),
        ("resolution_due_at__lt=2020-01-01T00:00:00Z", []),
        ("status=open&priority=low", []),
        ("q=a", ["ship", "shop", "loan"]),
        ("q=A SH", ["ship", "shop"]),
        ("q=%25", ["shop"]),
        ("q=_", ["shop"]),
        ("q=loan the", ["loan"]),
    ],
)
def test_conversations_are_filtered_and_searched(
    staff: Client, three: dict[str, str], query: str, found: list[str]
) -> None:
    """By what a queue of work is made of; a search takes its characters as they are."""
    query = query.format(agent=three["agent"])
    assert _found(staff, three, f"sort=number&{query}") == found


@pytest.mark.parametrize(
    ("sort", "found"),
    [
        ("", ["loan", "shop", "ship"]),
        ("sort=created_at", ["ship", "shop", "loan"]),
        ("sort=-number", ["loan", "shop", "ship"]),
        ("sort=first_response_due_at", ["ship", "shop", "loan"]),
        ("sort=-resolution_due_at", ["loan", "shop", "ship"]),
        ("sort=updated_at&limit=1", ["ship"]),
    ],
)
def test_conversations_are_sorted(
    staff: Client, three: dict[str, str], sort: str, found: list[str]
) -> None:
    """The newest first unless asked otherwise; what is due first by its clock."""
    assert _found(staff, three, sort) == found


@pytest.mark.parametrize(
    "query",
    [
        "tags=vip",
        "last_seq=0",
        "resolution_left__is_null=true",
        "status_changed_at__lt=2020-01-01T00:00:00Z",
        "sort=subject",
        "sort=status",
        "number=x",
        "customer_id=1",
        "created_at__gt=yesterday",
        "status__like=o",
        "priority=",
        "q=",
        "limit=101",
    ],
)
def test_what_is_not_declared_can_not_be_asked_for(staff: Client, query: str) -> None:
    """Neither of the list nor of a customer's; 400 rather than a list of anything else."""
    for path in (PATH, f"/v1/customers/{uuid4()}/conversations"):
        assert problem(staff.get(f"{path}?{query}")) == (400, "invalid-parameter")


def test_conversations_of_a_customer(
    admin: Client, staff: Client, start: Start, customer: str
) -> None:
    """A list like any other, of this customer alone, and none of a customer who is not there."""
    bob = staff.create("/v1/customers", {"reference": "C-2", "name": "Bob"})["id"]
    start(customer_id=bob)
    paths = [start("pending"), start("snoozed"), start()]
    url = f"/v1/customers/{customer}/conversations"
    listed = staff.get(f"{url}?include_total=true").json
    assert [item["id"] for item in listed["items"]] == [p.rpartition("/")[2] for p in paths[::-1]]
    assert listed["total"] == 3
    page = staff.get(f"{url}?limit=2&sort=number").json
    rest = staff.get(f"{url}?limit=2&sort=number&cursor={page['next_cursor']}").json
    assert [*page["items"], *rest["items"]] == listed["items"][::-1]
    other = f"/v1/customers/{bob}/conversations?limit=2&sort=number"
    assert problem(staff.get(f"{other}&cursor={page['next_cursor']}")) == (400, "invalid-cursor")
    assert len(staff.get(f"{url}?status=pending").json["items"]) == 1
    assert problem(staff.get(f"{url}?customer_id={bob}")) == (400, "invalid-parameter")
    for path in paths:
        staff.delete(path)
    staff.delete(f"/v1/customers/{customer}")
    for missing in (url, f"/v1/customers/{uuid4()}/conversations"):
        assert problem(staff.get(missing)) == (404, "not-found")


def test_only_admins_see_a_customers_deleted_conversations(
    admin: Client, staff: Client, viewer: Client, start: Start, customer: str
) -> None:
    """As everywhere: to others include_deleted is forbidden, here too."""
    path = start()
    staff.delete(path)
    url = f"/v1/customers/{customer}/conversations"
    assert len(admin.get(f"{url}?include_deleted=true").json["items"]) == 1
    assert admin.get(url).json["items"] == []
    for client in (staff, viewer):
        assert problem(client.get(f"{url}?include_deleted=true")) == (403, "forbidden")
        assert client.get(f"{url}?include_deleted=false").json["items"] == []


def test_a_program_reads_the_conversation_of_its_task(
    start: Start, claimed: tuple[str, dict[str, Any]], bot: Client, hire: Callable[..., Client]
) -> None:
    """While it runs the task, and no other conversation; actions are not for it."""
    path, task = claimed
    assert bot.get(path).json["id"] == task["conversation_id"]
    for client, hidden in ((bot, start()), (bot, f"{PATH}/{NOBODY}"), (hire("idle"), path)):
        assert problem(client.get(hidden)) == (403, "forbidden")
    assert problem(bot.post(f"{path}/close")) == (403, "forbidden")
    done = {"lease_token": task["lease_token"], "output": None}
    assert bot.post(f"/v1/tasks/{task['id']}/complete", done).status_code == 200
    assert problem(bot.get(path)) == (403, "forbidden")
