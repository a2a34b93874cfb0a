"""Tasks are changed while they are pending, and deleted or restored while they do not run."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from app.db.listing import format_timestamp
from tests.client import Client, problem
from tests.desk import events_of
from tests.tasks import claim_one, create_task, ids

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_delayed_task_waits(staff: Client, hire: Callable[..., Client]) -> None:
    """Nobody gets it before run_after, and then it is there by itself."""
    moment = datetime.now(UTC) + timedelta(seconds=0.8)
    task = create_task(staff, run_after=format_timestamp(moment))
    agent = hire()
    assert agent.post("/v1/tasks/claim").json == {"items": []}
    threading.Event().wait(1)
    claimed = claim_one(agent)
    assert claimed["id"] == task["id"]
    assert claimed["started_at"] > task["run_after"]


def test_patch_changes_what_is_pending(staff: Client, hire: Callable[..., Client]) -> None:
    """Each field that was given can be given anew; of objects the named members are."""
    bot = hire(queues=["elsewhere"]).user_id
    task = create_task(staff, input={"a": 1, "b": {"c": 2}}, metadata={"m": 1})
    path = f"/v1/tasks/{task['id']}"
    patch = {
        "kind": "other",
        "queue": "elsewhere",
        "priority": 0,
        "agent_id": bot,
        "run_after": "2031-02-03T04:05:06Z",
        "max_attempts": 1,
        "dedupe_key": "k",
    }
    objects = {"input": {"a": None, "b": {"d": 3}}, "metadata": None}
    answer = staff.patch(path, {**patch, **objects}, if_match='"1"')
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
    merged = {"input": {"b": {"c": 2, "d": 3}}, "metadata": {}}
    moved = {"version": 2, "updated_at": answer.json["updated_at"]}
    assert answer.json == {**task, **patch, **merged, **moved}
    assert staff.get(path).json == answer.json
    cleared = staff.patch(path, {"agent_id": None, "dedupe_key": None}).json
    assert (cleared["agent_id"], cleared["dedupe_key"]) == (None, None)


def test_an_empty_patch_changes_nothing(staff: Client) -> None:
    """Not even the ETag; nor do values that are there already; a stale version is 412."""
    task = create_task(staff)
    path = f"/v1/tasks/{task['id']}"
    for patch in ({}, {"priority": 5, "input": {}}):
        answer = staff.patch(path, patch)
        assert (answer.status_code, answer.json) == (200, task)
    stale = staff.patch(path, {"priority": 1}, if_match='"7"')
    assert problem(stale) == (412, "precondition-failed")
    assert len(events_of(staff, task["id"])) == 1


ENDED = {"completed": ["delete"], "failed": ["delete", "requeue"]}
ENDED["cancelled"] = ENDED["failed"]
RUNNING = ["cancel", "complete", "fail", "heartbeat", "release"]


def bring_to(staff: Client, agent: Client, status: str) -> dict[str, Any]:
    """A task in this status."""
    path = f"/v1/tasks/{create_task(staff)['id']}"
    if status == "cancelled":
        staff.post(f"{path}/cancel")
    elif status != "pending":
        token = claim_one(agent)["lease_token"]
        if status == "completed":
            agent.post(f"{path}/complete", {"lease_token": token, "output": None})
        if status == "failed":
            agent.post(f"{path}/fail", {"lease_token": token, "error": "x", "retry": False})
    task: dict[str, Any] = staff.get(path).json
    assert task["status"] == status
    return task


@pytest.mark.parametrize("status", [*ENDED, "running"])
def test_only_pending_tasks_are_changed(
    staff: Client, hire: Callable[..., Client], status: str
) -> None:
    """409 says from where, and what would be allowed; the task stays as it is."""
    task = bring_to(staff, hire(), status)
    path = f"/v1/tasks/{task['id']}"
    answer = staff.patch(path, {"priority": 1})
    assert problem(answer) == (409, "invalid-transition")
    assert answer.json["from"] == status
    assert answer.json["allowed"] == ENDED.get(status, RUNNING)
    assert staff.get(path).json == task
    assert staff.patch(path, {}).json == task


@pytest.mark.parametrize("status", ["pending", *ENDED])
def test_what_does_not_run_is_deleted_and_restored(
    staff: Client, hire: Callable[..., Client], status: str
) -> None:
    """204, then 404 to everything; restored it is the same again, and claimable if it was."""
    agent = hire()
    task = bring_to(staff, agent, status)
    path = f"/v1/tasks/{task['id']}"
    assert staff.delete(path).status_code == 204
    gone = [staff.get(path), staff.patch(path, {}), staff.delete(path)]
    gone += [staff.post(f"{path}/{action}") for action in ("cancel", "requeue")]
    gone += [staff.get(f"{path}/{part}") for part in ("subtasks", "attempts")]
    assert [problem(answer) for answer in gone] == [(404, "not-found")] * 7
    assert ids(staff, "") == set()
    assert agent.post("/v1/tasks/claim").json["items"] == []
    restored = staff.post(f"{path}/restore")
    changed = {"version": task["version"] + 2, "updated_at": restored.json["updated_at"]}
    assert (restored.status_code, restored.json) == (200, {**task, **changed})
    assert problem(staff.post(f"{path}/restore")) == (409, "not-deleted")
    assert len(agent.post("/v1/tasks/claim").json["items"]) == (status == "pending")


def test_a_running_task_is_not_deleted(staff: Client, hire: Callable[..., Client]) -> None:
    """Not under the hands of whoever runs it: 409, and the lease goes on."""
    agent = hire()
    task = bring_to(staff, agent, "running")
    answer = staff.delete(f"/v1/tasks/{task['id']}")
    assert problem(answer) == (409, "invalid-transition")
    assert (answer.json["from"], answer.json["allowed"]) == ("running", RUNNING)
    assert staff.get(f"/v1/tasks/{task['id']}").json == task


def test_a_delete_may_depend_on_the_version(staff: Client) -> None:
    """412 to a stale If-Match, and the task is still there."""
    path = f"/v1/tasks/{create_task(staff)['id']}"
    assert problem(staff.delete(path, if_match='"2"')) == (412, "precondition-failed")
    assert staff.delete(path, if_match='"1"').status_code == 204
    assert problem(staff.post(f"{path}/restore", if_match='"1"')) == (412, "precondition-failed")
    assert staff.post(f"{path}/restore", if_match='"2"').status_code == 200
