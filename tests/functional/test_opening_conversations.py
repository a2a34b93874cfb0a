"""Conversations are opened with a first message and a task, by the customer or by the desk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.client import Client, codes, problem
from tests.conversations import HELLO, NOBODY, PATH, actions_of, count_all
from tests.desk import TASK

if TYPE_CHECKING:
    from collections.abc import Callable

    Start = Callable[..., str]


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
    assert actions_of(staff, opened["id"]) == ["created", "answered"]


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
    before = count_all(staff)
    body = {"customer_id": customer, "subject": "Help", "channel": "email", "message": HELLO}
    for message in (HELLO, {**HELLO, "external_id": "m-1"}):
        answer = staff.post(PATH, {**body, "message": message, "task": task})
        assert problem(answer) == (422, "validation-error")
        assert list(codes(answer)) == [pointer]
    assert count_all(staff) == before
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
