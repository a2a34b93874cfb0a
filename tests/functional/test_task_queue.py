"""Tasks worked off: claimed by priority and age, held under a lease, and ended by its holder."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from app import create_app
from app.settings import Settings
from tests.client import Client, codes, problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask

    from app.db.testing import RoundTrips
    from tests.client import Answer

    Hire = Callable[..., Client]
    Sql = Callable[..., list[tuple[Any, ...]]]

WORK = {"kind": "reply", "queue": "work"}
EXPIRE = "UPDATE tasks SET lease_expires_at = now() - interval '1 second' WHERE status = 'running'"
LOST = (409, "lease-lost")
STALE = (412, "precondition-failed")


def make(client: Client, **values: Any) -> str:
    """The id of a new task."""
    key: str = client.create("/v1/tasks", {**WORK, **values})["id"]
    return key


def claim(agent: Client, **body: Any) -> list[dict[str, Any]]:
    answer = agent.post("/v1/tasks/claim", body)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json["items"]
    return items


def claim_ids(agent: Client, **body: Any) -> list[str]:
    return [task["id"] for task in claim(agent, **body)]


def act(agent: Client, task: dict[str, Any], verb: str, **body: Any) -> Answer:
    """An action under the task's lease token."""
    sent = {"lease_token": task["lease_token"], **body}
    return agent.post(f"/v1/tasks/{task['id']}/{verb}", sent)


def fail(agent: Client, task: dict[str, Any], **body: Any) -> dict[str, Any]:
    answer = act(agent, task, "fail", error="boom", **body)
    assert answer.status_code == 200, answer.text
    failed: dict[str, Any] = answer.json
    return failed


def attempts(client: Client, key: str) -> list[tuple[int, str | None, str | None]]:
    items = client.get(f"/v1/tasks/{key}/attempts").json["items"]
    return [(item["number"], item["outcome"], item["error"]) for item in items]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def lease_of(task: dict[str, Any]) -> float:
    """How many seconds it was claimed for."""
    return (moment(task["lease_expires_at"]) - moment(task["started_at"])).total_seconds()


BODIES: dict[str, dict[str, Any]] = {
    "heartbeat": {},
    "complete": {"output": 1},
    "fail": {"error": "x"},
    "release": {},
}


# Claims


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


def made_long_ago(sql: Sql, key: str, due: str) -> None:
    sql("UPDATE tasks SET created_at = '2026-01-01Z', run_after = %s WHERE id = %s", due, key)


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
    """last_seen_at tells when the agent was last at work, and moves no version."""
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


# Ends


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


# Many at once


def test_many_who_claim_at_once_share_the_tasks(
    app: Flask, staff: Client, hire: Hire, sql: Sql
) -> None:
    """Each is claimed exactly once, none is left, and nobody is told too early that none is."""
    count, crew = 200, 8
    agents = [hire(f"bot-{number}", queues=["work", "mail"]) for number in range(crew)]
    sql(
        "INSERT INTO tasks (id, kind, queue, priority, run_after, created_at)"
        " SELECT gen_random_uuid(), 'x', CASE n %% 2 WHEN 0 THEN 'work' ELSE 'mail' END, n %% 10,"
        " now() - n * interval '1 second', now() - n * interval '1 second'"
        " FROM generate_series(1, %s) AS n",
        count,
    )
    start, lock, left = threading.Barrier(crew), threading.Lock(), count
    too_early: list[int] = []

    def work(number: int) -> list[str]:
        nonlocal left
        client, limit, mine = Client(app, agents[number].token), number % 5 + 1, []
        start.wait(60)
        while True:
            with lock:
                left -= limit
            found = claim_ids(client, limit=limit)
            with lock:
                if len(found) < limit and left >= 0:
                    too_early.append(left)  # so many were nobody's, nor just being claimed
                left += limit - len(found)
            mine += found
            if not found:
                return mine

    with ThreadPoolExecutor(crew) as pool:
        claimed = list(pool.map(work, range(crew)))
    assert too_early == []
    assert len({key for mine in claimed for key in mine}) == count
    assert sum(map(len, claimed)) == count
    assert sum(bool(mine) for mine in claimed) > 1
    assert sql("SELECT DISTINCT status, attempt FROM tasks") == [("running", 1)]
    assert sql("SELECT count(*), count(DISTINCT task_id) FROM task_attempts") == [(count, count)]
    holders = sql("SELECT claimed_by_id::text, count(*) FROM tasks GROUP BY 1")
    expected = {agent.user_id: len(mine) for agent, mine in zip(agents, claimed, strict=True)}
    assert dict(holders) == {key: held for key, held in expected.items() if held}


def test_many_who_claim_and_end_tasks_at_once_lose_none(
    app: Flask, staff: Client, hire: Hire, sql: Sql
) -> None:
    """With leases that run out in between: each task ends once, by who held it last."""
    agents = [hire(f"bot-{number}") for number in range(6)]
    keys = [make(staff, max_attempts=50) for _ in range(40)]
    completed: list[str] = []
    stop = threading.Event()

    def work(agent: Client) -> None:
        client = Client(app, agent.token)
        while not stop.is_set():
            for task in claim(client, limit=3):
                if UUID(task["lease_token"]).int % 4 == 0:
                    continue  # it is forgotten, and its lease runs out
                answer = act(client, task, "complete", output=agent.user_id)
                if answer.status_code == 200:
                    completed.append(task["id"])
                else:
                    assert problem(answer) == LOST

    with ThreadPoolExecutor(6) as pool:
        workers = [pool.submit(work, agent) for agent in agents]
        for _ in range(200):
            sql(EXPIRE)
            if len(completed) >= len(keys) or any(worker.done() for worker in workers):
                break
            stop.wait(0.05)
        stop.set()
        for worker in workers:
            worker.result()
    assert sorted(completed) == sorted(keys)
    wrong = sql(
        "SELECT count(*) FROM tasks JOIN task_attempts AS a ON a.task_id = tasks.id"
        " WHERE status <> 'completed' OR output #>> '{}' <> claimed_by_id::text"
        " OR (number = attempt) <> (outcome = 'completed')"
        " OR (number < attempt) <> (outcome = 'lost')"
    )
    assert wrong == [(0,)]
