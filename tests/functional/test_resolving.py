"""Resolving: with a last word, and with the task that an agent was working on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.client import Client, codes, problem
from tests.conversations import HELLO, NOBODY, actions_of, count_all
from tests.desk import TASK

if TYPE_CHECKING:
    from collections.abc import Callable

    Start = Callable[..., str]


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
    assert actions_of(staff, path) == ["created", "resolved"]
    assert actions_of(staff, task["id"])[-1] == "completed"
    assert actions_of(staff, message["id"]) == ["created"]


@pytest.mark.parametrize("token", [NOBODY, "nonsense"])
def test_a_wrong_lease_leaves_nothing_done(
    staff: Client, claimed: tuple[str, dict[str, Any]], token: str
) -> None:
    """No message, no status, no event: who lost the task resolves nothing with it."""
    path, task = claimed
    before, totals = staff.get(path).json, count_all(staff)
    body = {"message": {"body": "Bye."}, "complete_task": {"id": task["id"], "lease_token": token}}
    assert problem(staff.post(f"{path}/resolve", body)) == (409, "lease-lost")
    assert (staff.get(path).json, count_all(staff)) == (before, totals)
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
