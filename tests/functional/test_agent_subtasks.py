"""Sub-tasks that agents create: below their own tasks, each under a dedupe key of its own."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.client import Client, codes, problem
from tests.desk import TASK, claim, events_of
from tests.task_queue import act, make

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    Hire = Callable[..., Client]


NOWHERE = "01a00000-0000-7000-8000-000000000000"
FORBIDDEN = (403, "forbidden")


def test_an_agent_breaks_up_what_it_runs(staff: Client, hire: Hire) -> None:
    """It makes sub-tasks of a task that it runs, for any queue; and of no other task."""
    agent, other = hire("bot"), hire("other", queues=["elsewhere"])
    mine = make(staff)
    held = claim(agent)[mine]
    child = make(agent, parent_id=mine, queue="elsewhere")
    assert events_of(staff, child)[0]["actor"]["id"] == agent.user_id
    assert problem(act(agent, held, "complete", output=1)) == (409, "open-subtasks")
    pending, waits = make(staff), make(staff, agent_id=agent.user_id)
    foreign = next(iter(claim(other)))
    for parent in (None, pending, waits, foreign, NOWHERE):
        answer = agent.post("/v1/tasks", {**TASK, "parent_id": parent})
        assert problem(answer) == FORBIDDEN
    assert problem(agent.post("/v1/tasks", TASK)) == FORBIDDEN
    act(other, claim_again(staff, other, child), "complete", output=1)
    act(agent, held, "complete", output=1)
    assert problem(agent.post("/v1/tasks", {**TASK, "parent_id": mine})) == FORBIDDEN


def claim_again(staff: Client, agent: Client, key: str) -> dict[str, Any]:
    """Take a task from its agent and claim it anew, for a token that is known."""
    staff.patch(f"/v1/agents/{agent.user_id}", {"is_active": False})
    staff.patch(f"/v1/agents/{agent.user_id}", {"is_active": True})
    return claim(agent)[key]


def test_an_agents_dedupe_key_is_unique_below_its_task(staff: Client, hire: Hire) -> None:
    """A repeat is answered with the agent's own sub-task. A key that other tasks have is free, and
    every key is shown as it was sent."""
    agent, other = hire(), hire("other", queues=["work"])
    mine = make(staff)
    claim(agent)
    theirs = make(staff)
    claim(other)
    make(staff, dedupe_key="secret", input={"pin": 1234}, queue="elsewhere")
    make(staff, dedupe_key="sibling", parent_id=mine, queue="elsewhere")
    make(other, parent_id=theirs, dedupe_key="own")
    for key in ("secret", "sibling", "own", "free", "d" * 255):
        body = {**TASK, "parent_id": mine, "dedupe_key": key}
        created = agent.post("/v1/tasks", body)
        again = agent.post("/v1/tasks", {**body, "input": {"other": 1}})
        assert (created.status_code, again.status_code) == (201, 200)
        assert again.json == created.json
        assert {name: created.json[name] for name in ("parent_id", "dedupe_key", "input")} == {
            "parent_id": mine,
            "dedupe_key": key,
            "input": {},
        }
        (event,) = events_of(staff, created.json["id"])
        assert event["changes"]["dedupe_key"]["after"] == key
        assert "dedupe_scope" not in event["changes"]
    long = agent.post("/v1/tasks", {**TASK, "parent_id": mine, "dedupe_key": "d" * 256})
    assert codes(long) == {"/dedupe_key": "length"}


def test_users_get_no_sub_task_of_an_agent_by_its_dedupe_key(staff: Client, hire: Hire) -> None:
    """The keys of users, below whichever task, are apart from those of agents; in bulk too."""
    agent, mine = hire(), make(staff)
    claim(agent)
    body = {**TASK, "parent_id": mine, "dedupe_key": "k"}
    first = make(agent, **body)
    assert problem(staff.post("/v1/tasks/bulk", {"items": [body, body]})) == (
        409,
        "already-exists",
    )
    bulk = staff.post("/v1/tasks/bulk", {"items": [body]})
    assert bulk.status_code == 201
    (second,) = bulk.json["items"]
    assert first != second["id"]
    for sent in (body, {**TASK, "dedupe_key": "k"}):
        again = staff.post("/v1/tasks", sent)
        assert (again.status_code, again.json["id"]) == (200, second["id"])
    listed = staff.get("/v1/tasks?dedupe_key=k").json["items"]
    assert {task["id"] for task in listed} == {first, second["id"]}


def test_repeated_sub_tasks_at_once_are_one_per_parent(
    app: Flask, staff: Client, hire: Hire
) -> None:
    """Two agents send one key from many threads: each gets one new task, and then that one."""
    agents = {hire("one", queues=["one"]): make(staff, queue="one")}
    agents[hire("two", queues=["two"])] = make(staff, queue="two")
    for agent in agents:
        claim(agent)
    start = threading.Barrier(4)

    def create(agent: Client) -> tuple[str, int, str]:
        start.wait(60)
        body = {**TASK, "parent_id": agents[agent], "dedupe_key": "once"}
        answer = Client(app, agent.token).post("/v1/tasks", body)
        return agents[agent], answer.status_code, answer.json["id"]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(create, [*agents] * 10))
    for parent in agents.values():
        found = [(status, key) for of, status, key in answers if of == parent]
        assert sorted(status for status, _ in found) == [200] * 9 + [201]
        assert len({key for _, key in found}) == 1
    assert len({key for _, _, key in answers}) == 2


@pytest.mark.parametrize("comes_back_by", ["requeue", "restore"])
def test_a_sub_task_does_not_come_back_where_its_key_is_taken(
    staff: Client, hire: Hire, comes_back_by: str
) -> None:
    """409 while the agent has made another with that key; a user's task takes no key from it."""
    agent, mine = hire(), make(staff)
    claim(agent)
    body = {"parent_id": mine, "dedupe_key": "k"}
    first = f"/v1/tasks/{make(agent, **body)}"
    assert staff.post(f"{first}/cancel").status_code == 200
    if comes_back_by == "restore":
        assert staff.post(f"{first}/requeue").status_code == 200
        staff.delete(first)
    make(staff, **body)
    second = f"/v1/tasks/{make(agent, **body)}"
    refused = staff.post(f"{first}/{comes_back_by}")
    assert problem(refused) == (409, "already-exists")
    assert codes(refused) == {"/dedupe_key": "already-exists"}
    staff.post(f"{second}/cancel")
    back = staff.post(f"{first}/{comes_back_by}")
    assert (back.status_code, back.json["dedupe_key"]) == (200, "k")


def test_a_sub_task_that_is_moved_takes_its_dedupe_key_along(staff: Client, hire: Hire) -> None:
    """The key is free below the old parent, and taken where the task is now."""
    agent, other = hire(), hire("other", queues=["work"])
    mine = make(staff)
    claim(agent)
    theirs = make(staff)
    claim(other)
    keys = {key: make(agent, parent_id=mine, dedupe_key=key) for key in ("down", "up")}
    moved = staff.patch(f"/v1/tasks/{keys['down']}", {"parent_id": theirs})
    assert (moved.status_code, moved.json["dedupe_key"]) == (200, "down")
    staff.patch(f"/v1/tasks/{keys['up']}", {"parent_id": None})
    again = other.post("/v1/tasks", {**TASK, "parent_id": theirs, "dedupe_key": "down"})
    assert (again.status_code, again.json["id"]) == (200, keys["down"])
    again = staff.post("/v1/tasks", {**TASK, "dedupe_key": "up"})
    assert (again.status_code, again.json["id"]) == (200, keys["up"])
    for key, task in keys.items():
        assert make(agent, parent_id=mine, dedupe_key=key) != task
    back = staff.patch(f"/v1/tasks/{keys['down']}", {"parent_id": mine})
    assert problem(back) == (409, "already-exists")


def test_an_agents_sub_task_is_within_its_limits(staff: Client, hire: Hire) -> None:
    """No more urgent than the parent, with as many attempts as the firm says, in any queue."""
    agent = hire()
    mine = make(staff, priority=7)
    claim(agent)
    body = {**TASK, "parent_id": mine, "queue": "payments"}
    child = agent.create("/v1/tasks", body)
    assert [child[name] for name in ("queue", "priority", "max_attempts")] == ["payments", 7, 3]
    assert agent.create("/v1/tasks", {**body, "priority": 9})["priority"] == 9
    greedy = {**body, "priority": 0, "max_attempts": 100}
    answer = agent.post("/v1/tasks", greedy)
    assert problem(answer) == (422, "validation-error")
    assert codes(answer) == {"/priority": "range", "/max_attempts": "range"}
    assert agent.post("/v1/tasks", {**body, "priority": 6}).status_code == 422
    assert staff.post("/v1/tasks", greedy).status_code == 201


def test_a_sub_task_of_an_urgent_task_is_of_medium_urgency(staff: Client, hire: Hire) -> None:
    """Unless the agent says otherwise, up to the parent's priority."""
    agent, mine = hire(), make(staff, priority=1)
    claim(agent)
    body = {**TASK, "parent_id": mine}
    assert agent.create("/v1/tasks", body)["priority"] == 5
    assert agent.create("/v1/tasks", {**body, "priority": 1})["priority"] == 1
