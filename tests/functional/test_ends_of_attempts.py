"""How an attempt ends: completed, failed, released, cancelled; and what comes after it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from app import create_app
from app.settings import Settings
from tests.client import Client, problem
from tests.task_queue import BODIES, act, attempts, claim, fail, lease_of, make, moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask

    Hire = Callable[..., Client]
    Sql = Callable[..., list[tuple[Any, ...]]]


@pytest.mark.parametrize(
    "output", [None, {"a": [1, None]}, {}, [], [1, "x"], "text", 0, 1.5, True, False]
)
def test_a_completed_task_has_its_output(staff: Client, hire: Hire, output: Any) -> None:
    """Any JSON; its lease and its error are gone, and its attempt has ended well."""
    agent, key = hire(), make(staff)
    (task,) = claim(agent)
    answer = act(agent, task, "complete", output=output)
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"3"')
    done = answer.json
    assert (type(done["output"]), done["output"]) == (type(output), output)
    assert (done["status"], done["lease_expires_at"], done["error"]) == ("completed", None, None)
    assert done["claimed_by_id"] == agent.user_id
    assert done["completed_at"] > done["started_at"]
    assert staff.get(f"/v1/tasks/{key}").json == done
    assert attempts(staff, key) == [(1, "completed", None)]


def test_a_failed_attempt_is_tried_again_after_a_pause(staff: Client, hire: Hire) -> None:
    """Pending, with its error, up to 5 s later after the first failure."""
    agent, key = hire(), make(staff)
    (task,) = claim(agent)
    failed = fail(agent, task)
    assert (failed["status"], failed["error"], failed["attempt"]) == ("pending", "boom", 1)
    assert (failed["claimed_by_id"], failed["completed_at"]) == (None, None)
    pause = moment(failed["run_after"]) - moment(failed["updated_at"])
    assert -0.1 < pause.total_seconds() <= 5
    assert attempts(staff, key) == [(1, "failed", "boom")]


@pytest.fixture
def eager(app: Flask, database_url: str) -> Iterator[Flask]:
    """The same service where retries wait for next to nothing, and two attempts are all."""
    settings = Settings(
        database_url=database_url,
        given_secret_key="k" * 32,
        task_retry_base=0.05,
        task_retry_cap=0.1,
        task_attempts=2,
        task_lease=7,
        max_task_lease=20,
    )
    other = create_app(settings)
    yield other
    other.extensions["database"].dispose()


def test_the_firm_decides_about_leases_and_retries(eager: Flask, staff: Client, hire: Hire) -> None:
    """How many attempts, how long they wait, how long a lease is and at most may be."""
    agent, desk = Client(eager, hire().token), Client(eager, staff.token)
    key = make(desk)
    assert desk.get(f"/v1/tasks/{key}").json["max_attempts"] == 2
    assert problem(agent.post("/v1/tasks/claim", {"lease_seconds": 21}))[0] == 422
    (task,) = claim(agent)
    assert lease_of(task) == 7
    assert fail(agent, task)["status"] == "pending"
    threading.Event().wait(0.1)
    (again,) = claim(agent, lease_seconds=20)
    assert (again["id"], again["attempt"], lease_of(again)) == (key, 2, 20)
    last = fail(agent, again)
    assert (last["status"], last["error"]) == ("failed", "boom")
    assert attempts(staff, key) == [(1, "failed", "boom"), (2, "failed", "boom")]


def test_the_last_attempt_fails_for_good(staff: Client, hire: Hire, sql: Sql) -> None:
    """After max_attempts it is failed, kept, and claimed by nobody."""
    agent = hire()
    make(staff, max_attempts=2)
    (first,) = claim(agent)
    assert fail(agent, first)["status"] == "pending"
    sql("UPDATE tasks SET run_after = now()")
    (second,) = claim(agent)
    assert second["attempt"] == 2
    done = fail(agent, second)
    assert (done["status"], done["claimed_by_id"]) == ("failed", agent.user_id)
    assert done["completed_at"] is not None
    sql("UPDATE tasks SET run_after = now()")
    assert claim(agent) == []


def test_a_failure_can_be_final(staff: Client, hire: Hire) -> None:
    """With "retry": false at once, however many attempts are left; true is as without."""
    agent = hire()
    make(staff)
    assert fail(agent, claim(agent)[0], retry=False)["status"] == "failed"
    make(staff)
    assert fail(agent, claim(agent)[0], retry=True)["status"] == "pending"


def test_a_released_attempt_does_not_count(staff: Client, hire: Hire, sql: Sql) -> None:
    """However often: the task is there again at once, with as many attempts left as before."""
    agent, key = hire(), make(staff, max_attempts=2)
    for number in range(1, 4):
        (task,) = claim(agent)
        assert task["attempt"] == number
        released = act(agent, task, "release").json
        assert (released["status"], released["claimed_by_id"]) == ("pending", None)
    for status in ("pending", "failed"):
        sql("UPDATE tasks SET run_after = now()")
        (task,) = claim(agent)
        assert fail(agent, task)["status"] == status
    outcomes = [outcome for _, outcome, _ in attempts(staff, key)]
    assert outcomes == ["released"] * 3 + ["failed"] * 2


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_a_requeued_task_starts_again(staff: Client, hire: Hire, sql: Sql, end: str) -> None:
    """Pending, at once, with all its attempts before it; its history stays."""
    agent, key = hire(), make(staff, max_attempts=2)
    path = f"/v1/tasks/{key}"
    for _ in range(2):
        (task,) = claim(agent)
        if end == "cancelled" and task["attempt"] == 2:
            staff.post(f"{path}/cancel")
        fail(agent, task)
        sql("UPDATE tasks SET run_after = now()")
    assert staff.get(path).json["status"] == end
    answer = staff.post(f"{path}/requeue")
    assert answer.status_code == 200
    again = answer.json
    assert (again["status"], again["attempt"], again["cancel_requested"]) == ("pending", 2, False)
    assert (again["error"], again["claimed_by_id"], again["completed_at"]) == (None, None, None)
    (third,) = claim(agent)
    assert third["attempt"] == 3
    assert fail(agent, third)["status"] == "pending"
    sql("UPDATE tasks SET run_after = now()")
    assert fail(agent, claim(agent)[0])["status"] == "failed"
    assert [number for number, _, _ in attempts(staff, key)] == [1, 2, 3, 4]


def test_a_task_is_not_requeued_where_its_key_was_taken(staff: Client) -> None:
    """409: two open tasks never have the same dedupe_key."""
    key = make(staff, dedupe_key="k")
    staff.post(f"/v1/tasks/{key}/cancel")
    make(staff, dedupe_key="k")
    assert problem(staff.post(f"/v1/tasks/{key}/requeue")) == (409, "already-exists")
    assert staff.get(f"/v1/tasks/{key}").json["status"] == "cancelled"


@pytest.mark.parametrize(
    ("status", "action", "allowed"),
    [
        ("pending", "requeue", ["cancel", "claim", "delete", "update"]),
        ("running", "requeue", ["cancel", "complete", "fail", "heartbeat", "release"]),
        ("completed", "requeue", ["delete"]),
        ("completed", "cancel", ["delete"]),
        ("failed", "cancel", ["delete", "requeue"]),
        ("cancelled", "cancel", ["delete", "requeue"]),
    ],
)
def test_a_status_does_not_allow_everything(
    staff: Client, hire: Hire, status: str, action: str, allowed: list[str]
) -> None:
    """409 says from where, and what would be allowed; nothing is changed."""
    agent, key = hire(), make(staff)
    path = f"/v1/tasks/{key}"
    if status == "cancelled":
        staff.post(f"{path}/cancel")
    elif status != "pending":
        (task,) = claim(agent)
        if status == "completed":
            act(agent, task, "complete", output=1)
        if status == "failed":
            fail(agent, task, retry=False)
    before = staff.get(path).json
    answer = staff.post(f"{path}/{action}")
    assert problem(answer) == (409, "invalid-transition")
    assert (answer.json["from"], answer.json["allowed"]) == (status, allowed)
    assert staff.get(path).json == before


def test_a_pending_task_is_cancelled_at_once(staff: Client, hire: Hire) -> None:
    """It never ran, so it has no attempt, and nobody gets it any more."""
    key = make(staff)
    answer = staff.post(f"/v1/tasks/{key}/cancel", {})
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
    assert (answer.json["status"], answer.json["attempt"]) == ("cancelled", 0)
    assert answer.json["completed_at"] is not None
    assert claim(hire()) == []
    assert attempts(staff, key) == []


@pytest.mark.parametrize(
    ("verb", "status", "outcome"),
    [
        ("fail", "cancelled", "cancelled"),
        ("release", "cancelled", "cancelled"),
        ("complete", "completed", "completed"),
    ],
)
def test_a_task_that_is_to_be_cancelled_is_when_it_is_given_back(
    staff: Client, hire: Hire, verb: str, status: str, outcome: str
) -> None:
    """Whatever attempts are left; who completes it all the same has completed it."""
    agent, key = hire(), make(staff)
    (task,) = claim(agent)
    staff.post(f"/v1/tasks/{key}/cancel")
    answer = act(agent, task, verb, **BODIES[verb])
    assert (answer.status_code, answer.json["status"]) == (200, status)
    assert answer.json["completed_at"] is not None
    assert [found for _, found, _ in attempts(staff, key)] == [outcome]
    assert claim(agent) == []
