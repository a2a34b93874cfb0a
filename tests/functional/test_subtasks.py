"""Sub-tasks: none ends before what is below it, and cancelling takes all of it along."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.client import Client, codes, problem
from tests.desk import TASK, claim
from tests.subtasks import add_task, bring_to, complete, status
from tests.task_queue import act

if TYPE_CHECKING:
    from collections.abc import Callable

    Hire = Callable[..., Client]
    Sql = Callable[..., list[tuple[Any, ...]]]

pytestmark = pytest.mark.usefixtures("counts_are_right")


def test_sub_tasks_are_listed(staff: Client) -> None:
    """Those directly below, the oldest first; deleted ones are not among them."""
    parent = add_task(staff)
    path = f"/v1/tasks/{parent}/subtasks"
    assert staff.get(path).json == {"items": [], "next_cursor": None}
    children = [add_task(staff, parent, priority=number) for number in (3, 1, 2)]
    add_task(staff, children[0])
    found = staff.get(path).json["items"]
    assert [task["id"] for task in found] == children
    assert found[0] == staff.get(f"/v1/tasks/{children[0]}").json
    ordered = staff.get(f"{path}?sort=priority&limit=2&include_total=true").json
    assert [task["id"] for task in ordered["items"]] == children[1:]
    assert ordered["total"] == 3
    staff.delete(f"/v1/tasks/{children[1]}")
    left = staff.get(f"{path}?status=pending&priority__gte=2").json["items"]
    assert [task["id"] for task in left] == [children[0], children[2]]
    for query in (f"parent_id={parent}", "parent_id__is_null=true", "nope=1"):
        assert problem(staff.get(f"{path}?{query}")) == (400, "invalid-parameter")
    assert problem(staff.get(f"/v1/tasks/{uuid4()}/subtasks")) == (404, "not-found")


def test_only_admins_see_deleted_sub_tasks(admin: Client, staff: Client) -> None:
    """In this list as in all others."""
    parent = add_task(staff)
    child = add_task(staff, parent)
    staff.delete(f"/v1/tasks/{child}")
    path = f"/v1/tasks/{parent}/subtasks?include_deleted=true"
    assert problem(staff.get(path)) == (403, "forbidden")
    assert [task["id"] for task in admin.get(path).json["items"]] == [child]


def test_a_task_is_not_completed_before_what_is_below_it(staff: Client, hire: Hire) -> None:
    """409 while a sub-task is pending or running; then its lease is as good as before."""
    agent, parent = hire(), add_task(staff)
    held = claim(agent)[parent]
    children = [add_task(staff, parent) for _ in range(2)]
    assert problem(complete(agent, held)) == (409, "open-subtasks")
    running = claim(agent)
    assert problem(complete(agent, held)) == (409, "open-subtasks")
    assert status(staff, parent) == "running"
    assert complete(agent, running[children[0]]).status_code == 200
    assert problem(complete(agent, held)) == (409, "open-subtasks")
    assert complete(agent, running[children[1]]).status_code == 200
    assert complete(agent, held).json["status"] == "completed"


@pytest.mark.parametrize("how", ["completed", "failed", "cancelled", "deleted", "moved"])
def test_what_has_ended_below_is_in_nobody_s_way(staff: Client, hire: Hire, how: str) -> None:
    """However it ended; nor is one that is deleted or belongs to another task now."""
    agent, parent = hire(), add_task(staff)
    held = claim(agent)[parent]
    child = add_task(staff, parent)
    if how == "deleted":
        staff.delete(f"/v1/tasks/{child}")
    elif how == "moved":
        assert staff.patch(f"/v1/tasks/{child}", {"parent_id": None}).status_code == 200
    else:
        bring_to(staff, agent, child, how)
    assert complete(agent, held).status_code == 200


def test_a_retried_sub_task_is_still_open(staff: Client, hire: Hire, sql: Sql) -> None:
    """Failed once, released, lost: it is pending or running again, and counts once."""
    agent, parent = hire(), add_task(staff)
    held = claim(agent)[parent]
    child = add_task(staff, parent)
    act(agent, claim(agent)[child], "fail", error="x")
    sql("UPDATE tasks SET run_after = now()")
    act(agent, claim(agent)[child], "release")
    claim(agent)
    sql("UPDATE tasks SET lease_expires_at = now() WHERE id = %s", child)
    again = claim(agent)[child]
    assert problem(complete(agent, held)) == (409, "open-subtasks")
    complete(agent, again)
    assert complete(agent, held).status_code == 200


@pytest.mark.parametrize("how", ["failed", "cancelled"])
def test_a_parent_may_end_badly_before_its_sub_tasks(staff: Client, hire: Hire, how: str) -> None:
    """Only completing waits for them; cancelling takes them along."""
    agent, parent = hire(), add_task(staff)
    held = claim(agent)[parent]
    child = add_task(staff, parent)
    if how == "failed":
        assert act(agent, held, "fail", error="x", retry=False).json["status"] == "failed"
        assert status(staff, child) == "pending"
    else:
        staff.post(f"/v1/tasks/{parent}/cancel")
        assert act(agent, held, "release").json["status"] == "cancelled"
        assert status(staff, child) == "cancelled"


@pytest.mark.parametrize("how", ["completed", "failed", "cancelled"])
def test_nothing_new_comes_below_what_has_ended(staff: Client, hire: Hire, how: str) -> None:
    """Not a new task, not one that is moved, restored or requeued there."""
    agent, parent = hire(), add_task(staff)
    other, gone, ended = add_task(staff), add_task(staff, parent), add_task(staff, parent)
    staff.delete(f"/v1/tasks/{gone}")
    staff.post(f"/v1/tasks/{ended}/cancel")
    staff.post(f"/v1/tasks/{other}/cancel")
    bring_to(staff, agent, parent, how)
    loose = add_task(staff)
    answers = [
        staff.post("/v1/tasks", {**TASK, "parent_id": parent}),
        staff.patch(f"/v1/tasks/{loose}", {"parent_id": parent}),
        staff.post(f"/v1/tasks/{gone}/restore"),
        staff.post(f"/v1/tasks/{ended}/requeue"),
    ]
    assert [problem(answer) for answer in answers] == [(409, "parent-finished")] * 4
    assert status(staff, ended) == "cancelled"
    assert staff.get(f"/v1/tasks/{loose}").json["parent_id"] is None


def test_what_has_ended_may_be_restored_below_what_has_ended(staff: Client) -> None:
    """It is no open sub-task, so it is in nobody's way."""
    parent = add_task(staff)
    child = add_task(staff, parent)
    staff.post(f"/v1/tasks/{child}/cancel")
    staff.delete(f"/v1/tasks/{child}")
    staff.post(f"/v1/tasks/{parent}/cancel")
    assert staff.post(f"/v1/tasks/{child}/restore").status_code == 200


def test_a_requeued_sub_task_is_open_again(staff: Client, hire: Hire) -> None:
    """Below a task that is open, which then can't be completed before it."""
    agent, parent = hire(), add_task(staff)
    held = claim(agent)[parent]
    child = add_task(staff, parent)
    staff.post(f"/v1/tasks/{child}/cancel")
    assert staff.post(f"/v1/tasks/{child}/requeue").status_code == 200
    assert problem(complete(agent, held)) == (409, "open-subtasks")


def test_a_task_with_sub_tasks_is_not_deleted(staff: Client) -> None:
    """409 in-use until they are; and they do not come back before it does."""
    parent = add_task(staff)
    child = add_task(staff, parent)
    assert problem(staff.delete(f"/v1/tasks/{parent}")) == (409, "in-use")
    staff.delete(f"/v1/tasks/{child}")
    assert staff.delete(f"/v1/tasks/{parent}").status_code == 204
    assert problem(staff.post(f"/v1/tasks/{child}/restore")) == (409, "parent-deleted")
    answer = staff.post("/v1/tasks", {**TASK, "parent_id": parent})
    assert codes(answer) == {"/parent_id": "unknown-reference"}
    staff.post(f"/v1/tasks/{parent}/restore")
    assert staff.post(f"/v1/tasks/{child}/restore").status_code == 200


def test_cancelling_takes_along_what_is_below(staff: Client, hire: Hire) -> None:
    """Through all levels: pending ones at once, running ones when they are given back."""
    agent, top = hire(), add_task(staff)
    pending, running = add_task(staff, top), add_task(staff, top, queue="work", priority=0)
    held = claim(agent, limit=1)[running]
    below_pending, below_running = add_task(staff, pending), add_task(staff, running)
    deepest = add_task(staff, below_running)
    ended = add_task(staff, top)
    staff.delete(f"/v1/tasks/{ended}")
    other = add_task(staff)
    assert staff.post(f"/v1/tasks/{top}/cancel").json["status"] == "cancelled"
    for key in (pending, below_pending, below_running, deepest):
        assert status(staff, key) == "cancelled"
    assert status(staff, other) == "pending"
    now = staff.get(f"/v1/tasks/{running}").json
    assert (now["status"], now["cancel_requested"]) == ("running", True)
    assert act(agent, held, "heartbeat").json["cancel_requested"] is True
    assert act(agent, held, "fail", error="x").json["status"] == "cancelled"
    events = staff.get(f"/v1/events?object_id={deepest}&sort=occurred_at").json["items"]
    assert [event["action"] for event in events] == ["created", "cancelled"]


def test_a_running_task_that_is_to_be_cancelled_takes_its_sub_tasks_along(
    staff: Client, hire: Hire
) -> None:
    """At once, so that its holder has nothing to wait for and may complete it after all."""
    agent, parent = hire(), add_task(staff)
    held = claim(agent)[parent]
    child = add_task(staff, parent)
    staff.post(f"/v1/tasks/{parent}/cancel")
    assert status(staff, child) == "cancelled"
    assert complete(agent, held).json["status"] == "completed"


def test_what_ended_before_is_not_cancelled(staff: Client, hire: Hire) -> None:
    """Completed and failed sub-tasks stay what they are."""
    agent, parent = hire(), add_task(staff)
    held = claim(agent)[parent]
    done, failed = add_task(staff, parent), add_task(staff, parent)
    running = claim(agent)
    complete(agent, running[done])
    act(agent, running[failed], "fail", error="x", retry=False)
    act(agent, held, "release")
    staff.post(f"/v1/tasks/{parent}/cancel")
    assert (status(staff, done), status(staff, failed)) == ("completed", "failed")
