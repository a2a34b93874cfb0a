"""Moves, ends and cancellations within one tree of tasks at once."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.client import Client, problem
from tests.desk import TASK, claim
from tests.subtasks import add_task, chain, complete
from tests.task_queue import act

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    Hire = Callable[..., Client]
    Sql = Callable[..., list[tuple[Any, ...]]]

pytestmark = pytest.mark.usefixtures("counts_are_right")


@pytest.mark.parametrize("length", [1, 2])
def test_two_opposite_moves_at_once_make_no_cycle(
    app: Flask, staff: Client, sql: Sql, length: int
) -> None:
    """One is done, the other refused; also where neither touches a row of the other."""
    for _ in range(2):
        one, two = chain(staff, length), chain(staff, length)
        start = threading.Barrier(2)

        def move(pair: tuple[str, str], start: Any = start) -> tuple[int, str]:
            client = Client(app, staff.token)
            start.wait(60)
            answer = client.patch(f"/v1/tasks/{pair[0]}", {"parent_id": pair[1]})
            return (200, "") if answer.status_code == 200 else problem(answer)

        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(move, [(one[0], two[-1]), (two[0], one[-1])]))
        assert sorted(found) == [(200, ""), (409, "task-cycle")]


def test_completing_a_parent_races_a_new_sub_task(app: Flask, staff: Client, hire: Hire) -> None:
    """Exactly one of the two is done: never a finished task above an open one."""
    agent, outcomes = hire(), Counter[tuple[int, int]]()
    for _ in range(25):
        parent = add_task(staff)
        held = claim(agent)[parent]
        start = threading.Barrier(2)

        def finish(held: Any = held, start: Any = start) -> int:
            client = Client(app, agent.token)
            start.wait(60)
            return complete(client, held).status_code

        def add(parent: str = parent, start: Any = start) -> int:
            client = Client(app, staff.token)
            start.wait(60)
            return client.post("/v1/tasks", {**TASK, "parent_id": parent}).status_code

        with ThreadPoolExecutor(2) as pool:
            pair = pool.submit(finish), pool.submit(add)
            outcomes[pair[0].result(), pair[1].result()] += 1
        staff.post(f"/v1/tasks/{parent}/cancel")
    assert outcomes.keys() <= {(200, 409), (409, 201)}, outcomes


def test_cancelling_races_completing_without_a_deadlock(
    app: Flask, staff: Client, hire: Hire, deadlocks: list[str | None]
) -> None:
    """Parents are locked before what is below them: nobody waits in a circle, nothing is lost."""
    agent = hire()
    for _ in range(10):
        parent = add_task(staff)
        children = [add_task(staff, parent) for _ in range(3)]
        running = claim(agent)
        start = threading.Barrier(5)

        def cancel(parent: str = parent, start: Any = start) -> int:
            client = Client(app, staff.token)
            start.wait(60)
            return client.post(f"/v1/tasks/{parent}/cancel").status_code

        def finish(task: dict[str, Any], verb: str, start: Any = start) -> int:
            client = Client(app, agent.token)
            body = {"output": 1} if verb == "complete" else {"error": "x", "retry": False}
            start.wait(60)
            return act(client, task, verb, **body).status_code

        def remove(key: str, start: Any = start) -> int:
            client = Client(app, staff.token)
            start.wait(60)
            return client.delete(f"/v1/tasks/{key}").status_code

        idle = add_task(staff, parent)
        with ThreadPoolExecutor(5) as pool:
            found = [
                pool.submit(cancel),
                pool.submit(finish, running[children[0]], "complete"),
                pool.submit(finish, running[children[1]], "complete"),
                pool.submit(finish, running[children[2]], "fail"),
                pool.submit(remove, idle),
            ]
            assert [each.result() for each in found] == [200, 200, 200, 200, 204]
        act(agent, running[parent], "release")
    assert deadlocks == []


def test_many_sub_tasks_end_at_once(app: Flask, staff: Client, hire: Hire) -> None:
    """Each is counted off its parent, whoever comes first, and then the parent completes."""
    agent, parent = hire(), add_task(staff)
    held = claim(agent)[parent]
    for _ in range(24):
        add_task(staff, parent)
    running = list(claim(agent).values())

    def finish(task: dict[str, Any]) -> int:
        return complete(Client(app, agent.token), task).status_code

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(finish, running)) == {200}
    assert complete(agent, held).status_code == 200
