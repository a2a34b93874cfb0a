"""Trees of tasks over HTTP in few words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.client import Client
from tests.desk import TASK, claim
from tests.task_queue import act

if TYPE_CHECKING:
    from tests.client import Answer


def add_task(client: Client, parent: str | None = None, **values: Any) -> str:
    """The id of a new task."""
    key: str = client.create("/v1/tasks", {**TASK, "parent_id": parent, **values})["id"]
    return key


def complete(agent: Client, task: dict[str, Any]) -> Answer:
    return act(agent, task, "complete", output=None)


def status(client: Client, key: str) -> str:
    found: str = client.get(f"/v1/tasks/{key}").json["status"]
    return found


def bring_to(staff: Client, agent: Client, key: str, how: str) -> None:
    """Bring a task that is just now pending to this end."""
    if how == "cancelled":
        staff.post(f"/v1/tasks/{key}/cancel")
    else:
        task = claim(agent)[key]
        if how == "completed":
            complete(agent, task)
        else:
            act(agent, task, "fail", error="x", retry=False)
    assert status(staff, key) == how


def chain(client: Client, length: int) -> list[str]:
    """Tasks below each other, the top first."""
    keys: list[str] = []
    for _ in range(length):
        keys.append(add_task(client, keys[-1] if keys else None))
    return keys
