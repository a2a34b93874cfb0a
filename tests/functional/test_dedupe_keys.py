"""Dedupe keys of tasks: one open task has a key, and a repeat leads to it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.client import Client, codes, problem
from tests.desk import TASK, events_of
from tests.tasks import claim_one, create_task, ids

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    Sql = Callable[..., list[tuple[Any, ...]]]


def test_a_known_dedupe_key_leads_to_the_task_that_has_it(staff: Client) -> None:
    """200 with the pending task as it is, and no second one, however the rest differs."""
    first = staff.post("/v1/tasks", {**TASK, "dedupe_key": "k", "input": {"a": 1}})
    again = staff.post("/v1/tasks", {**TASK, "dedupe_key": "k", "input": {"a": 2}})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json == first.json
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["ETag"] == first.headers["ETag"]
    assert ids(staff, "") == {first.json["id"]}
    assert [event["action"] for event in events_of(staff, first.json["id"])] == ["created"]


def test_a_running_task_still_has_its_dedupe_key(
    staff: Client, hire: Callable[..., Client]
) -> None:
    """The one that runs is answered too, without the token under which it does."""
    task = create_task(staff, dedupe_key="k")
    claim_one(hire())
    again = staff.post("/v1/tasks", {**TASK, "dedupe_key": "k"})
    assert (again.status_code, again.json["id"]) == (200, task["id"])
    assert again.json["status"] == "running"
    assert "lease_token" not in again.json


@pytest.mark.parametrize("end", ["complete", "fail", "cancel", "delete"])
def test_a_dedupe_key_is_free_again(staff: Client, hire: Callable[..., Client], end: str) -> None:
    """Once its task has ended or is deleted a new one is made."""
    task = create_task(staff, dedupe_key="k")
    path = f"/v1/tasks/{task['id']}"
    if end == "delete":
        staff.delete(path)
    elif end == "cancel":
        staff.post(f"{path}/cancel")
    else:
        agent = hire()
        body = {"lease_token": claim_one(agent)["lease_token"]}
        body |= {"output": 1} if end == "complete" else {"error": "x", "retry": False}
        assert agent.post(f"{path}/{end}", body).status_code == 200
    assert create_task(staff, dedupe_key="k")["id"] != task["id"]


def test_a_key_that_is_taken_can_not_be_patched_in(staff: Client) -> None:
    """Two open tasks never have the same; null takes it away."""
    create_task(staff, dedupe_key="k")
    path = f"/v1/tasks/{create_task(staff, dedupe_key='l')['id']}"
    answer = staff.patch(path, {"dedupe_key": "k"})
    assert problem(answer) == (409, "already-exists")
    assert codes(answer) == {"/dedupe_key": "already-exists"}
    assert staff.patch(path, {"dedupe_key": None}).json["dedupe_key"] is None


def test_many_creates_at_once_make_one_task(app: Flask, staff: Client, sql: Sql) -> None:
    """Of 50 with one dedupe_key a single one is 201; all the others are answered with its task."""
    start = threading.Barrier(10)

    def create(number: int) -> tuple[int, str]:
        client = Client(app, staff.token)
        start.wait(60)
        answer = client.post("/v1/tasks", {**TASK, "dedupe_key": "k", "input": {"n": number}})
        return answer.status_code, answer.json["id"]

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(create, range(50)))
    assert sorted(status for status, _ in answers) == [200] * 49 + [201]
    assert len({key for _, key in answers}) == 1
    assert sql("SELECT count(*) FROM tasks") == [(1,)]
    assert sql("SELECT count(*) FROM events WHERE object_type = 'tasks'") == [(1,)]


def test_a_task_is_not_restored_where_its_key_was_taken(staff: Client) -> None:
    """409, and it stays deleted until the key is free again."""
    path = f"/v1/tasks/{create_task(staff, dedupe_key='k')['id']}"
    staff.delete(path)
    taker = create_task(staff, dedupe_key="k")
    answer = staff.post(f"{path}/restore")
    assert problem(answer) == (409, "already-exists")
    assert codes(answer) == {"/dedupe_key": "already-exists"}
    staff.post(f"/v1/tasks/{taker['id']}/cancel")
    assert staff.post(f"{path}/restore").status_code == 200
