"""The token of a lease: good for one task and one end, with conditions on the version."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from tests.client import Client, codes, problem
from tests.task_queue import BODIES, LOST, STALE, act, attempts, claim, make

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    Hire = Callable[..., Client]


# Tokens


@pytest.mark.parametrize("verb", BODIES)
@pytest.mark.parametrize("token", ["x", " a", str(UUID(int=7)), "\N{SNOWMAN}", "upper"])
def test_a_token_that_is_none_is_refused(staff: Client, hire: Hire, verb: str, token: str) -> None:
    """409 lease-lost, whether it looks like a token or not, and the lease goes on."""
    agent, key = hire(), make(staff)
    (task,) = claim(agent)
    before = staff.get(f"/v1/tasks/{key}").json
    token = task["lease_token"].upper() if token == "upper" else token
    answer = agent.post(f"/v1/tasks/{key}/{verb}", {"lease_token": token, **BODIES[verb]})
    assert problem(answer) == LOST
    assert staff.get(f"/v1/tasks/{key}").json == before


@pytest.mark.parametrize("verb", BODIES)
@pytest.mark.parametrize("token", ["x", str(UUID(int=7))])
def test_no_task_is_held_that_is_not_there(hire: Hire, verb: str, token: str) -> None:
    """404 for an unknown one, with every token."""
    answer = hire().post(f"/v1/tasks/{uuid4()}/{verb}", {"lease_token": token, **BODIES[verb]})
    assert problem(answer) == (404, "not-found")


@pytest.mark.parametrize("verb", BODIES)
def test_an_action_needs_its_fields(staff: Client, hire: Hire, verb: str) -> None:
    """422 for a token that is missing, null, empty or no text, and for unknown fields."""
    agent, key = hire(), make(staff)
    claim(agent)
    path, fields = f"/v1/tasks/{key}/{verb}", BODIES[verb]
    for token, code in ((None, "null"), ("", "length"), (5, "type"), ("a" * 201, "length")):
        answer = agent.post(path, {**fields, "lease_token": token})
        assert codes(answer) == {"/lease_token": code}
    required = {f"/{name}": "required" for name in fields}
    assert codes(agent.post(path, {})) == {"/lease_token": "required", **required}
    unknown = agent.post(path, {**fields, "lease_token": "x", "status": "completed"})
    assert codes(unknown) == {"/status": "unknown-field"}
    assert problem(agent.post(path)) == (400, "malformed-json")


@pytest.mark.parametrize(
    ("fields", "mistakes"),
    [
        ({"error": None}, {"/error": "null"}),
        ({"error": ""}, {"/error": "length"}),
        ({"error": "x" * 10_001}, {"/error": "length"}),
        ({"error": 5}, {"/error": "type"}),
        *[
            ({"error": "x", "retry": value}, {"/retry": code})
            for value, code in ((0, "type"), ("false", "type"), (None, "null"))
        ],
    ],
)
def test_a_failure_says_what_went_wrong(
    staff: Client, hire: Hire, fields: dict[str, Any], mistakes: dict[str, str]
) -> None:
    """In words; and whether to retry is true or false."""
    agent = hire()
    make(staff)
    (task,) = claim(agent)
    assert codes(act(agent, task, "fail", **fields)) == mistakes


@pytest.mark.parametrize("verb", BODIES)
@pytest.mark.parametrize("end", ["complete", "fail", "release"])
def test_a_token_is_good_for_one_end(staff: Client, hire: Hire, verb: str, end: str) -> None:
    """Once the task was given back nothing is done under its old token any more."""
    agent = hire()
    make(staff)
    (task,) = claim(agent)
    assert act(agent, task, end, **BODIES[end]).status_code == 200
    before = staff.get(f"/v1/tasks/{task['id']}").json
    assert problem(act(agent, task, verb, **BODIES[verb])) == LOST
    assert staff.get(f"/v1/tasks/{task['id']}").json == before


@pytest.mark.parametrize("verb", BODIES)
def test_a_token_is_good_for_one_task(staff: Client, hire: Hire, verb: str) -> None:
    """That of another one, which the same agent runs, is not."""
    agent = hire()
    make(staff)
    make(staff)
    one, two = claim(agent, limit=2)
    mixed = {"id": one["id"], "lease_token": two["lease_token"]}
    assert problem(act(agent, mixed, verb, **BODIES[verb])) == LOST


def test_two_ends_at_once_are_one(app: Flask, staff: Client, hire: Hire) -> None:
    """Of a complete, a fail and a release under one token exactly one is done."""
    agent = hire()
    verbs = ["complete", "fail", "release"] * 2
    for _ in range(8):
        key = make(staff)
        task = next(task for task in claim(agent, limit=100) if task["id"] == key)
        start = threading.Barrier(len(verbs))

        def end(verb: str, task: dict[str, Any] = task, start: Any = start) -> int:
            client = Client(app, agent.token)
            start.wait(60)
            return act(client, task, verb, **BODIES[verb]).status_code

        with ThreadPoolExecutor(len(verbs)) as pool:
            found = Counter(pool.map(end, verbs))
        assert found == {200: 1, 409: 5}
        assert len(attempts(staff, key)) == 1
        staff.post(f"/v1/tasks/{key}/cancel")


# Conditions


@pytest.mark.parametrize("verb", BODIES)
def test_an_action_may_depend_on_the_version(staff: Client, hire: Hire, verb: str) -> None:
    """412 to a stale If-Match, and nothing is done; with the current one it is."""
    agent, key = hire(), make(staff)
    (task,) = claim(agent, lease_seconds=100)
    path, before = f"/v1/tasks/{key}/{verb}", staff.get(f"/v1/tasks/{key}").json
    body = {"lease_token": task["lease_token"], **BODIES[verb]}
    for stale in ('"1"', 'W/"2"', '"3"', ""):
        assert problem(agent.post(path, body, if_match=stale)) == STALE
    assert staff.get(f"/v1/tasks/{key}").json == before
    lost = {**body, "lease_token": "x"}
    assert problem(agent.post(path, lost, if_match='"2"')) == LOST
    assert agent.post(path, body, if_match='"2"').status_code == 200


@pytest.mark.parametrize("verb", ["cancel", "requeue"])
def test_cancel_and_requeue_may_depend_on_the_version(staff: Client, verb: str) -> None:
    """412 to a stale If-Match, and the status stays."""
    key = make(staff)
    path = f"/v1/tasks/{key}"
    if verb == "requeue":
        staff.post(f"{path}/cancel")
    before = staff.get(path)
    assert problem(staff.post(f"{path}/{verb}", if_match='"9"')) == STALE
    assert staff.get(path).json == before.json
    answer = staff.post(f"{path}/{verb}", if_match=before.headers["ETag"])
    assert answer.status_code == 200
    assert problem(staff.post(f"{path}/{verb}", {"x": 1})) == (422, "validation-error")
