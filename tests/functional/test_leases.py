"""Leases: renewed by heartbeats, lost when they run out, and what follows for the task."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.client import Client, problem
from tests.task_queue import (
    BODIES,
    EXPIRE,
    LOST,
    act,
    attempts,
    claim,
    claim_ids,
    lease_of,
    made_long_ago,
    make,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db.testing import RoundTrips

    Hire = Callable[..., Client]
    Sql = Callable[..., list[tuple[Any, ...]]]


# Heartbeats


def test_a_heartbeat_renews_the_lease(staff: Client, hire: Hire, sql: Sql) -> None:
    """For as long again as it was claimed for, and for as often as it likes."""
    agent, key = hire(), make(staff)
    (task,) = claim(agent, lease_seconds=100)
    sql("UPDATE tasks SET lease_expires_at = now() + interval '1 second'")
    for _ in range(2):
        answer = act(agent, task, "heartbeat")
        assert set(answer.json) == {"lease_expires_at", "cancel_requested"}
        assert answer.json["cancel_requested"] is False
        (left,) = sql("SELECT extract(epoch FROM lease_expires_at - now())::float FROM tasks")[0]
        assert 95 < left <= 100
    shown = staff.get(f"/v1/tasks/{key}").json
    assert shown["lease_expires_at"] == answer.json["lease_expires_at"]
    assert shown["version"] == task["version"]


def test_an_agent_ends_only_what_it_claimed_itself(staff: Client, hire: Hire) -> None:
    """Another agent with the right lease token is told what it is told with a wrong one."""
    agent, other, key = hire(), hire("other"), make(staff)
    (task,) = claim(agent)
    before = staff.get(f"/v1/tasks/{key}").json
    bodies: dict[str, dict[str, Any]] = {
        "heartbeat": {"progress": 1},
        "complete": {"output": 1},
        "fail": {"error": "x"},
        "release": {},
    }
    for verb, body in bodies.items():
        refused = act(other, task, verb, **body)
        assert problem(refused) == (409, "lease-lost")
        wrong = act(other, {**task, "lease_token": str(uuid4())}, verb, **body)
        assert wrong.json["detail"] == refused.json["detail"]
        current = {"if_match": staff.get(f"/v1/tasks/{key}").headers["ETag"]}
        path, sent = f"/v1/tasks/{key}/{verb}", {"lease_token": task["lease_token"], **body}
        assert problem(other.post(path, sent, **current)) == (409, "lease-lost")
    assert staff.get(f"/v1/tasks/{key}").json == before
    assert act(agent, task, "heartbeat").status_code == 200
    assert act(agent, task, "complete", output=1).status_code == 200


@pytest.mark.parametrize("progress", [{"done": 3}, [1, 2], "half", 0.5, 0, False])
def test_progress_is_kept(staff: Client, hire: Hire, progress: Any) -> None:
    """Any JSON; the last one stays where a heartbeat has none, and the next claim clears it."""
    agent, key = hire(), make(staff)
    (task,) = claim(agent)
    act(agent, task, "heartbeat", progress=progress)
    act(agent, task, "heartbeat")
    act(agent, task, "heartbeat", progress=None)
    assert staff.get(f"/v1/tasks/{key}").json["progress"] == progress
    act(agent, task, "release")
    (again,) = claim(agent)
    assert again["progress"] is None


def test_a_heartbeat_saves_a_lease_that_has_run_out(staff: Client, hire: Hire, sql: Sql) -> None:
    """While nobody has taken the task over it is still its holder's."""
    agent, other = hire(), hire("other")
    make(staff)
    (task,) = claim(agent)
    sql(EXPIRE)
    assert act(agent, task, "heartbeat").status_code == 200
    assert claim(other) == []


def test_a_lost_attempt_ends_when_the_next_one_begins(staff: Client, hire: Hire, sql: Sql) -> None:
    """To the microsecond, so that no two agents seem to run the task at once; the last one ends
    with the task."""
    key = make(staff, max_attempts=2)
    for name in ("first", "second", "third"):
        claim(hire(name))
        sql(EXPIRE)
    first, second = staff.get(f"/v1/tasks/{key}/attempts?sort=number").json["items"]
    assert (first["outcome"], second["outcome"]) == ("lost", "lost")
    assert first["ended_at"] == second["started_at"]
    assert second["ended_at"] == staff.get(f"/v1/tasks/{key}").json["completed_at"]


def test_a_heartbeat_tells_of_a_wish_to_cancel(staff: Client, hire: Hire) -> None:
    """A running task goes on until its holder gives it back; then it is cancelled."""
    agent, key = hire(), make(staff)
    (task,) = claim(agent)
    answer = staff.post(f"/v1/tasks/{key}/cancel")
    assert (answer.json["status"], answer.json["cancel_requested"]) == ("running", True)
    assert act(agent, task, "heartbeat").json["cancel_requested"] is True
    again = staff.post(f"/v1/tasks/{key}/cancel")
    assert (again.status_code, again.headers["ETag"]) == (200, answer.headers["ETag"])


# Leases that ran out


def test_a_lease_that_ran_out_is_taken_over(staff: Client, hire: Hire) -> None:
    """By the next claim; the old token is refused, and its attempt is recorded as lost."""
    one, two = hire("one"), hire("two")
    key = make(staff, dedupe_key="k")
    (old,) = claim(one, lease_seconds=1)
    assert claim(two) == []
    threading.Event().wait(1.05)
    (new,) = claim(two)
    assert (new["id"], new["attempt"], new["claimed_by_id"]) == (key, 2, two.user_id)
    assert new["lease_token"] != old["lease_token"]
    assert lease_of(new) == 60
    for verb, body in BODIES.items():
        assert problem(act(one, old, verb, **body)) == LOST
    assert attempts(staff, key) == [(1, "lost", "The lease ran out."), (2, None, None)]
    assert act(two, new, "complete", output=2).json["output"] == 2
    assert attempts(staff, key)[1] == (2, "completed", None)
    found = staff.get(f"/v1/events?object_id={key}&sort=occurred_at").json["items"]
    assert [event["action"] for event in found] == ["created", "claimed", "taken-over", "completed"]
    assert found[2]["changes"]["claimed_by_id"] == {"before": one.user_id, "after": two.user_id}
    assert found[2]["changes"]["attempt"] == {"before": 1, "after": 2}


def test_a_lost_lease_is_not_for_any_agent(staff: Client, hire: Hire, sql: Sql) -> None:
    """It is taken over by who may claim it: of that queue, and the addressed agent alone."""
    one, two, stranger = hire("one"), hire("two"), hire("three", queues=["other"])
    key = make(staff, agent_id=one.user_id)
    claim(one)
    sql(EXPIRE)
    assert claim(two) == []
    assert claim(stranger) == []
    assert claim_ids(one) == [key]


def test_a_lost_last_attempt_fails_the_task(staff: Client, hire: Hire, sql: Sql) -> None:
    """The next claim settles it, and does not run it again."""
    agent, key = hire(), make(staff, max_attempts=1)
    (old,) = claim(agent)
    sql(EXPIRE)
    assert claim(hire("other")) == []
    task = staff.get(f"/v1/tasks/{key}").json
    assert (task["status"], task["error"]) == ("failed", "The lease ran out.")
    assert task["claimed_by_id"] == agent.user_id
    assert (task["lease_expires_at"], task["attempt"]) == (None, 1)
    assert task["completed_at"] is not None
    assert attempts(staff, key) == [(1, "lost", "The lease ran out.")]
    assert problem(act(agent, old, "complete", output=1)) == LOST


def test_a_lost_task_that_is_to_be_cancelled_is(staff: Client, hire: Hire, sql: Sql) -> None:
    """Nobody gets it again, whatever attempts are left."""
    agent, key = hire(), make(staff)
    claim(agent)
    staff.post(f"/v1/tasks/{key}/cancel")
    sql(EXPIRE)
    assert claim(hire("other")) == []
    task = staff.get(f"/v1/tasks/{key}").json
    assert (task["status"], task["cancel_requested"]) == ("cancelled", True)
    assert attempts(staff, key) == [(1, "lost", "The lease ran out.")]
    found = staff.get(f"/v1/events?object_id={key}&sort=-occurred_at").json["items"]
    assert found[0]["action"] == "cancelled"


def test_a_lease_may_be_lost_more_than_once(staff: Client, hire: Hire, sql: Sql) -> None:
    """Each loss is an attempt that counts, until there are none left."""
    agent, key = hire(), make(staff, max_attempts=3)
    for number in (1, 2, 3):
        (task,) = claim(agent)
        assert task["attempt"] == number
        sql(EXPIRE)
    assert claim(agent) == []
    assert [outcome for _, outcome, _ in attempts(staff, key)] == ["lost"] * 3
    assert staff.get(f"/v1/tasks/{key}").json["status"] == "failed"


def test_a_claim_that_settles_tasks_still_fills_its_limit(
    staff: Client, hire: Hire, sql: Sql
) -> None:
    """What ends there does not count: those who ask for three get three where there are."""
    agent = hire()
    for _ in range(4):
        make(staff, max_attempts=1, priority=0)
    for key in claim_ids(agent, limit=2):
        staff.post(f"/v1/tasks/{key}/cancel")
    claim(agent, limit=2)
    sql(EXPIRE)
    pending = [make(staff) for _ in range(5)]
    assert claim_ids(agent, limit=3) == pending[:3]
    settled = staff.get("/v1/tasks?status__in=failed,cancelled").json["items"]
    assert sorted(task["status"] for task in settled) == ["cancelled"] * 2 + ["failed"] * 2
    assert claim_ids(agent, limit=100) == pending[3:]


def test_a_claim_passes_over_thousands_of_spent_tasks(
    staff: Client, hire: Hire, sql: Sql, round_trips: RoundTrips
) -> None:
    """It ends one batch of them, in as many messages as for a few, and still gets its task."""
    agent = hire()
    spend(sql, agent, 3000)
    pending = make(staff)
    claim(agent)  # note_seen, once a minute, sends messages of its own
    another = make(staff)
    round_trips.take()
    assert claim_ids(agent) == [another]
    assert len(round_trips) <= 12
    assert status_of(staff, pending) == "running"
    (ended,) = sql("SELECT count(*) FROM tasks WHERE status = 'failed'")
    assert 100 <= ended[0] <= 300


def spend(sql: Sql, agent: Client, count: int) -> None:
    """Tasks whose last attempt was lost, first in the queue."""
    sql(
        "INSERT INTO tasks (id, kind, queue, priority, status, max_attempts, attempt,"
        " claimed_by_id, lease_token, lease_seconds, lease_expires_at, started_at)"
        " SELECT gen_random_uuid(), 'reply', 'work', 0, 'running', 1, 1, %s, gen_random_uuid(),"
        " 60, now() - interval '1 minute', now() FROM generate_series(1, %s)",
        agent.user_id,
        count,
    )
    sql(
        "INSERT INTO task_attempts (task_id, number, agent_id, started_at)"
        " SELECT id, 1, claimed_by_id, started_at FROM tasks WHERE status = 'running'"
    )


def status_of(client: Client, key: str) -> str:
    status: str = client.get(f"/v1/tasks/{key}").json["status"]
    return status


def test_a_lost_task_waits_with_the_others(staff: Client, hire: Hire, sql: Sql) -> None:
    """By its priority, then by when its lease ran out."""
    agent = hire()
    lost = make(staff)
    claim(agent)
    sql(EXPIRE)
    older = make(staff)
    made_long_ago(sql, older, due="2026-01-01Z")
    first = make(staff, priority=0)
    newer = make(staff)
    found = [claim_ids(agent)[0] for _ in range(4)]
    assert found == [first, older, lost, newer]
