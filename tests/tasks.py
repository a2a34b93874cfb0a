"""Tasks over HTTP as the objects that the service sends."""

from __future__ import annotations

from typing import Any

from tests.client import Client
from tests.desk import TASK


def create_task(client: Client, **values: Any) -> dict[str, Any]:
    return client.create("/v1/tasks", {**TASK, **values})


def claim_one(agent: Client, **body: Any) -> dict[str, Any]:
    """The one task that is there to claim."""
    answer = agent.post("/v1/tasks/claim", body)
    assert answer.status_code == 200, answer.text
    (task,) = answer.json["items"]
    claimed: dict[str, Any] = task
    return claimed


def ids(client: Client, query: str) -> set[str]:
    answer = client.get(f"/v1/tasks?{query}")
    assert answer.status_code == 200, answer.text
    return {task["id"] for task in answer.json["items"]}
