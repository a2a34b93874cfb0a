"""Claims: tasks by priority and age, of the agent's own queues, each under a lease."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from tests.client import Client, codes, problem
from tests.task_queue import WORK, act, claim, claim_ids, lease_of, made_long_ago, make

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db.testing import RoundTrips

    Hire = Callable[..., Client]
    Sql = Callable[..., list[tuple[Any, ...]]]


def test_a_claim_starts_the_task(staff: Client, hire: Hire) -> None:
    """It runs under a token, which only this answer has, for as long as the lease lasts."""
    agent, key = hire(), make(staff, input={"a": 1}, metadata={"m": 2})
    (task,) = claim(agent)
    assert UUID(task["lease_token"])
    assert lease_of(task) == 60
    expected = {
        "id": key,
        "status": "running",
        "attempt": 1,
        "claimed_by_id": agent.user_id,
        "version": 2,
        "input": {"a": 1},
        "metadata": {"m": 2},
        "completed_at": None,
    }
    assert {name: task[name] for name in expected} == expected
    assert staff.get(f"/v1/tasks/{key}").json == {
        name: value for name, value in task.items() if name != "lease_token"
    }
    assert claim(agent) == []


def test_tasks_come_by_priority_then_by_age(staff: Client, hire: Hire) -> None:
    """Across all queues of the agent, and with what is addressed to it among the others."""
    agent = hire(queues=["work", "mail", "calls"])
    other = hire("other", queues=["work"])
    made = []
    for number in range(12):
        queue = ("work", "mail", "calls")[number % 3]
        addressed = agent.user_id if number % 4 == 0 else None
        priority = (5, 0, 9, 5)[number % 4]
        made.append(
            (priority, number, make(staff, queue=queue, agent_id=addressed, priority=priority))
        )
    make(staff, agent_id=other.user_id, priority=0)
    make(staff, queue="elsewhere", priority=0)
    expected = [key for _, _, key in sorted(made)]
    found = [key for _ in range(4) for key in claim_ids(agent, limit=3)]
    assert found == expected
    assert claim(agent) == []


def test_age_is_how_long_a_task_has_been_available(staff: Client, hire: Hire, sql: Sql) -> None:
    """A task that was put off comes after one that was made later and was due before."""
    late, early, now = make(staff), make(staff), make(staff)
    made_long_ago(sql, late, due="2026-01-02Z")
    made_long_ago(sql, early, due="2026-01-01Z")
    make(staff, run_after="2100-01-01T00:00:00Z", priority=0)
    assert claim_ids(hire(), limit=10) == [early, late, now]


def test_a_task_that_is_due_in_the_past_overtakes_nobody(
    staff: Client, hire: Hire, sql: Sql
) -> None:
    """A run_after that has passed is the moment of its making: by POST, bulk, PATCH and SQL."""
    past = {"run_after": "0001-01-01T00:00:00Z"}
    keys = [make(staff), make(staff, **past)]
    bulk = staff.post("/v1/tasks/bulk", {"items": [{**WORK, **past}, WORK]}).json["items"]
    keys += [item["id"] for item in bulk]
    keys.append(make(staff))
    patched = staff.patch(f"/v1/tasks/{keys[-1]}", past)
    assert patched.status_code == 200
    sql(
        "INSERT INTO tasks (id, kind, queue, run_after)"
        " VALUES (gen_random_uuid(), 'x', 'work', '0001-01-01Z')"
    )
    (last,) = sql("SELECT id::text FROM tasks WHERE kind = 'x'")[0]
    for key in (*keys, last):
        shown = staff.get(f"/v1/tasks/{key}").json
        assert shown["run_after"] == shown["created_at"]
    assert staff.get(f"/v1/tasks/{keys[-1]}").json == patched.json
    assert patched.json["version"] == 1  # nothing has changed
    claimed = claim_ids(hire(), limit=10)
    bulk_keys = {keys[2], keys[3]}  # made at the same moment
    assert [key for key in claimed if key not in bulk_keys] == [*keys[:2], keys[4], last]


def test_a_claim_may_name_some_of_the_queues(staff: Client, hire: Hire) -> None:
    """It gets tasks of these alone; none of no queue."""
    agent = hire(queues=["a", "b", "c"])
    keys = {queue: make(staff, queue=queue) for queue in "abc"}
    assert claim(agent, queues=[], limit=9) == []
    assert claim_ids(agent, queues=["b"], limit=9) == [keys["b"]]
    assert claim_ids(agent, queues=["c", "a"], limit=9) == [keys["a"], keys["c"]]


@pytest.mark.parametrize("queues", [["other"], ["work", "other"], ["WORK"], ["work/x"], ["%"]])
def test_only_own_queues_are_claimed_from(staff: Client, hire: Hire, queues: list[str]) -> None:
    """403 names what is not the agent's, and nothing is claimed."""
    make(staff)
    make(staff, queue="other")
    answer = hire().post("/v1/tasks/claim", {"queues": queues, "limit": 9})
    assert problem(answer) == (403, "forbidden")
    assert staff.get("/v1/tasks?status=running").json["items"] == []


def test_an_addressed_task_is_for_nobody_else(staff: Client, hire: Hire) -> None:
    """Not even for who works the same queue."""
    one, two = hire("one"), hire("two")
    key = make(staff, agent_id=one.user_id)
    assert claim(two, limit=9) == []
    assert claim_ids(one, limit=9) == [key]


@pytest.mark.parametrize(
    ("body", "mistakes"),
    [
        *[({"limit": value}, {"/limit": "range"}) for value in (0, -1, 101, 10**18)],
        *[({"limit": value}, {"/limit": "type"}) for value in (True, "1", 1.5, [1])],
        *[({"lease_seconds": value}, {"/lease_seconds": "range"}) for value in (0, -5, 3601)],
        *[({"lease_seconds": value}, {"/lease_seconds": "type"}) for value in (True, "60", 0.5)],
        *[({name: None}, {f"/{name}": "null"}) for name in ("limit", "lease_seconds", "queues")],
        ({"queues": "work"}, {"/queues": "type"}),
        ({"queues": [1]}, {"/queues/0": "type"}),
        ({"queues": ["work", "work"]}, {"/queues": "duplicate"}),
        ({"queues": ["a\x00"]}, {"/queues/0": "invalid-character"}),
        ({"queue": "work"}, {"/queue": "unknown-field"}),
        ({"agent_id": str(UUID(int=7))}, {"/agent_id": "unknown-field"}),
        ([], {"": "type"}),
    ],
)
def test_a_wrong_claim_is_refused(
    staff: Client, hire: Hire, body: Any, mistakes: dict[str, str]
) -> None:
    """422 with each mistake, and nothing is claimed."""
    make(staff)
    answer = hire().post("/v1/tasks/claim", body)
    assert problem(answer) == (422, "validation-error")
    assert codes(answer) == mistakes
    assert staff.get("/v1/tasks?status=running").json["items"] == []


def test_a_claim_needs_no_body(staff: Client, hire: Hire) -> None:
    """One task of any of its queues, for the usual time."""
    first, _ = make(staff), make(staff)
    answer = hire().post("/v1/tasks/claim")
    assert [task["id"] for task in answer.json["items"]] == [first]


def test_a_claim_gets_up_to_its_limit(staff: Client, hire: Hire) -> None:
    """A hundred at most, as many as there are, and the rest is left for the next."""
    agent = hire()
    keys = [make(staff) for _ in range(7)]
    assert claim_ids(agent, limit=3) == keys[:3]
    assert claim_ids(agent, limit=100) == keys[3:]
    assert claim_ids(agent, limit=100) == []


def test_a_lease_lasts_as_long_as_was_asked(staff: Client, hire: Hire) -> None:
    """From a second to the longest that the firm allows, by the database's clock."""
    agent = hire()
    for seconds in (1, 3600):
        make(staff)
        (task,) = claim(agent, lease_seconds=seconds)
        assert lease_of(task) == seconds
        act(agent, task, "complete", output=None)


def test_a_user_claims_as_the_agent_that_is_linked(
    admin: Client, staff: Client, hire: Hire
) -> None:
    """Under the agent's name and from its queues; who has none is refused."""
    make(staff)
    refused = staff.post("/v1/tasks/claim")
    assert problem(refused) == (403, "forbidden")
    linked = hire("desk", user_id=staff.user_id, kind="human", queues=["desk"])
    key = make(staff, queue="desk")
    (task,) = claim(staff)
    assert (task["id"], task["claimed_by_id"]) == (key, linked.user_id)
    assert problem(admin.post("/v1/tasks/claim")) == (403, "forbidden")
    assert act(staff, task, "complete", output="ok").json["status"] == "completed"
    assert problem(staff.post("/v1/tasks/claim", {"queues": ["work"]})) == (403, "forbidden")


def test_viewers_claim_nothing(viewer: Client, hire: Hire) -> None:
    """Whoever only reads does not, even where an agent is linked."""
    hire("v", user_id=viewer.user_id, kind="human")
    assert problem(viewer.post("/v1/tasks/claim")) == (403, "forbidden")


def test_an_inactive_agent_claims_nothing(staff: Client, hire: Hire) -> None:
    """Its own token is 401, that of its user 403; active again, both are good."""
    make(staff)
    agent = hire("desk", user_id=staff.user_id, kind="human")
    path = f"/v1/agents/{agent.user_id}"
    staff.patch(path, {"is_active": False})
    assert problem(agent.post("/v1/tasks/claim")) == (401, "unauthenticated")
    assert problem(staff.post("/v1/tasks/claim")) == (403, "forbidden")
    staff.patch(path, {"is_active": True})
    assert len(claim(agent)) == 1
    assert claim(staff) == []


def test_a_person_holds_a_task_without_expiry(staff: Client, hire: Hire, sql: Sql) -> None:
    """Whatever lease was asked for; a heartbeat gives it none, and nobody takes it over."""
    person, bot = hire("ann", kind="human"), hire("bot")
    make(staff)
    (task,) = claim(person, lease_seconds=1)
    assert task["lease_expires_at"] is None
    renewed = act(person, task, "heartbeat", progress=1)
    assert renewed.json == {"lease_expires_at": None, "cancel_requested": False}
    sql("UPDATE tasks SET started_at = now() - interval '1 year'")
    assert claim(bot) == []
    assert act(person, task, "complete", output=None).status_code == 200


def test_a_claim_is_seen(staff: Client, hire: Hire) -> None:
    """last_seen_at tells when the agent was last at work, and does not raise the version."""
    agent = hire()
    before = staff.get(f"/v1/agents/{agent.user_id}").json
    claim(agent)
    after = staff.get(f"/v1/agents/{agent.user_id}").json
    assert before["last_seen_at"] is None
    assert after["last_seen_at"] > before["created_at"]
    assert after["version"] == before["version"]


def test_a_claim_takes_few_round_trips(staff: Client, hire: Hire, round_trips: RoundTrips) -> None:
    """However many tasks and queues: the agent, one statement, the events, COMMIT."""
    agent = hire(queues=["a", "b", "c"])
    for queue in "abcabcabc":
        make(staff, queue=queue)
    claim(agent)
    round_trips.take()
    assert len(claim(agent, limit=7)) == 7
    assert len(round_trips.take()) == 4
