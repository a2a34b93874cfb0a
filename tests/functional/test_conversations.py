"""Conversations as a resource: changed, deleted, and read by a program that works on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.client import Client, codes, problem
from tests.conversations import HELLO, NOBODY, PATH, STATUSES, actions_of, events_of
from tests.desk import TASK

if TYPE_CHECKING:
    from collections.abc import Callable

    Start = Callable[..., str]


# Changing


def test_patch_changes_what_it_names(staff: Client, start: Start) -> None:
    """Subject, priority, tags and assignee; one version on, and an event of what differs."""
    path = start()
    answer = staff.patch(path, {"subject": "Help!", "tags": ["vip"], "priority": "normal"})
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2:0"')
    assert (answer.json["subject"], answer.json["tags"]) == ("Help!", ["vip"])
    assert staff.get(path).json == answer.json
    event = events_of(staff, path)[-1]
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
    assert actions_of(staff, path) == ["created", "deleted", "restored"]


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
