"""What is kept of a task: its attempts, and one event for each action."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tests.client import Client, problem
from tests.desk import events_of
from tests.tasks import claim_one, create_task

if TYPE_CHECKING:
    from collections.abc import Callable

    Sql = Callable[..., list[tuple[Any, ...]]]


def test_attempts_say_how_often_it_was_tried(
    staff: Client, hire: Callable[..., Client], sql: Sql
) -> None:
    """Numbered from 1, with who, when and how it ended; the running one has not ended."""
    bot, other = hire("bot"), hire("other")
    path = f"/v1/tasks/{create_task(staff, max_attempts=9)['id']}"
    assert staff.get(f"{path}/attempts").json == {"items": [], "next_cursor": None}
    token = claim_one(bot)["lease_token"]
    bot.post(f"{path}/fail", {"lease_token": token, "error": "no luck"})
    sql("UPDATE tasks SET run_after = now()")
    other.post(f"{path}/release", {"lease_token": claim_one(other)["lease_token"]})
    third = claim_one(bot)
    found = staff.get(f"{path}/attempts").json["items"]
    assert [
        (item["number"], item["agent_id"], item["outcome"], item["error"]) for item in found
    ] == [
        (1, bot.user_id, "failed", "no luck"),
        (2, other.user_id, "released", None),
        (3, bot.user_id, None, None),
    ]
    assert found[2]["started_at"] == third["started_at"]
    assert found[0]["started_at"] < found[0]["ended_at"] < found[1]["started_at"]
    assert found[2]["ended_at"] is None
    newest = staff.get(f"{path}/attempts?sort=-number&limit=1").json
    assert newest["items"] == [found[2]]
    rest = staff.get(f"{path}/attempts?sort=-number&limit=1&cursor={newest['next_cursor']}").json
    assert rest["items"] == [found[1]]
    assert staff.get(f"{path}/attempts?outcome=released").json["items"] == [found[1]]
    for query in ("task_id=x", f"task_id={uuid4()}", "q=x", "include_deleted=true", "sort=error"):
        assert problem(staff.get(f"{path}/attempts?{query}")) == (400, "invalid-parameter")
    assert problem(staff.get(f"/v1/tasks/{uuid4()}/attempts")) == (404, "not-found")


def test_every_action_is_one_event(staff: Client, hire: Callable[..., Client], sql: Sql) -> None:
    """From its making to its end, by whoever did it, each with what it changed."""
    agent = hire()
    path = f"/v1/tasks/{create_task(staff, metadata={'m': 1})['id']}"
    staff.patch(path, {"metadata": {"m": 2}, "priority": 1})
    first = claim_one(agent)
    agent.post(f"{path}/heartbeat", {"lease_token": first["lease_token"], "progress": {"p": 1}})
    failed = agent.post(f"{path}/fail", {"lease_token": first["lease_token"], "error": "boom"}).json
    sql("UPDATE tasks SET run_after = %s", "2026-01-01T00:00Z")
    second = claim_one(agent)
    agent.post(f"{path}/release", {"lease_token": second["lease_token"]})
    third = claim_one(agent)
    body = {"lease_token": third["lease_token"], "output": {"done": [1]}}
    done = agent.post(f"{path}/complete", body).json
    staff.delete(path)
    staff.post(f"{path}/restore")
    found = events_of(staff, done["id"])
    actions = ["created", "updated", "claimed", "retried", "claimed", "released", "claimed"]
    assert [event["action"] for event in found] == [*actions, "completed", "deleted", "restored"]
    assert {event["actor"]["id"] for event in found[:2]} == {staff.user_id}
    assert {event["actor"]["id"] for event in found[2:8]} == {agent.user_id}
    assert {event["actor"]["type"] for event in found[2:8]} == {"agent"}
    changes = [event["changes"] for event in found]
    assert changes[0]["metadata"] == {"before": None, "after": {"m": 1}}
    assert changes[1] == {
        "metadata": {"before": {"m": 1}, "after": {"m": 2}},
        "priority": {"before": 5, "after": 1},
    }
    assert changes[2] == {
        "status": {"before": "pending", "after": "running"},
        "attempt": {"before": 0, "after": 1},
        "claimed_by_id": {"before": None, "after": agent.user_id},
        "started_at": {"before": None, "after": first["started_at"]},
    }
    assert changes[3] == {
        "status": {"before": "running", "after": "pending"},
        "run_after": {"before": first["run_after"], "after": failed["run_after"]},
        "claimed_by_id": {"before": agent.user_id, "after": None},
        "error": {"before": None, "after": "boom"},
    }
    assert changes[4]["error"] == {"before": "boom", "after": None}
    assert changes[5] == {
        "status": {"before": "running", "after": "pending"},
        "claimed_by_id": {"before": agent.user_id, "after": None},
    }
    assert changes[7] == {
        "status": {"before": "running", "after": "completed"},
        "output": {"before": None, "after": {"done": [1]}},
        "completed_at": {"before": None, "after": done["completed_at"]},
    }


def test_the_events_of_a_cancelled_task(staff: Client, hire: Callable[..., Client]) -> None:
    """A wish to cancel is one, that it came true another, and so is the requeue."""
    agent = hire()
    path = f"/v1/tasks/{create_task(staff)['id']}"
    token = claim_one(agent)["lease_token"]
    staff.post(f"{path}/cancel")
    staff.post(f"{path}/cancel")
    agent.post(f"{path}/release", {"lease_token": token})
    task = staff.post(f"{path}/requeue").json
    found = events_of(staff, task["id"])
    actions = ["created", "claimed", "cancel-requested", "cancelled", "requeued"]
    assert [event["action"] for event in found] == actions
    assert found[2]["changes"] == {"cancel_requested": {"before": False, "after": True}}
    assert found[3]["changes"]["status"] == {"before": "running", "after": "cancelled"}
    assert found[4]["changes"]["status"] == {"before": "cancelled", "after": "pending"}


def test_no_event_tells_a_lease_token(staff: Client, hire: Callable[..., Client], sql: Sql) -> None:
    """Nor does any answer but that of the claim: who reads may not act."""
    agent = hire()
    task = create_task(staff)
    token = claim_one(agent)["lease_token"]
    path = f"/v1/tasks/{task['id']}"
    for seen in (path, "/v1/tasks", f"{path}/attempts", "/v1/events", f"{path}/subtasks"):
        text = staff.get(seen).text
        assert token not in text
        assert "lease_token" not in text
    assert sql("SELECT count(*) FROM events WHERE changes::text LIKE %s", f"%{token}%") == [(0,)]
