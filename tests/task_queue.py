"""Tasks over HTTP in few words, and what the queue answers, for tests of claims and leases."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.client import Answer

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


def made_long_ago(sql: Sql, key: str, due: str) -> None:
    sql("UPDATE tasks SET created_at = '2026-01-01Z', run_after = %s WHERE id = %s", due, key)
