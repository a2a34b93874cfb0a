"""Work at the desk over HTTP in few words, for tests about what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.client import Answer, Client

TASK = {"kind": "reply", "queue": "work"}


@dataclass(frozen=True)
class DeskWork:
    client: Client

    def task(self, **values: Any) -> str:
        """The id of a new task of the queue `work`."""
        return self._id("/v1/tasks", {**TASK, **values})

    def todo(self, **values: Any) -> str:
        return self._id("/v1/todos", {"description": "x", **values})

    def customer(self, reference: str = "C-1") -> str:
        return create_customer(self.client, reference)

    def conversation(self, customer_id: str, **values: Any) -> str:
        return create_conversation(self.client, customer_id, **values)

    def read(self, resource: str, key: str) -> dict[str, Any]:
        answer = self.client.get(f"/v1/{resource}/{key}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json
        return found

    def events(self, key: str) -> list[dict[str, Any]]:
        """What happened to it, the first first."""
        return events_of(self.client, key)

    def delete(self, resource: str, key: str) -> None:
        answer = self.client.delete(f"/v1/{resource}/{key}")
        assert answer.status_code == 204, answer.text

    def restore(self, resource: str, key: str) -> Answer:
        return self.client.post(f"/v1/{resource}/{key}/restore")

    def act(self, resource: str, key: str, verb: str, **body: Any) -> dict[str, Any]:
        """An action that must succeed; returns the answer."""
        answer = self.client.post(f"/v1/{resource}/{key}/{verb}", body or None)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json
        return found

    def _id(self, path: str, body: dict[str, Any]) -> str:
        key: str = self.client.create(path, body)["id"]
        return key


def claim(agent: Client, **body: Any) -> dict[str, dict[str, Any]]:
    """All that is there to claim, by id."""
    answer = agent.post("/v1/tasks/claim", {"limit": 100, **body})
    assert answer.status_code == 200, answer.text
    return {task["id"]: task for task in answer.json["items"]}


def end(agent: Client, task: dict[str, Any], verb: str, **body: Any) -> None:
    """Complete, fail or release a claimed task."""
    sent = {"lease_token": task["lease_token"], **body}
    answer = agent.post(f"/v1/tasks/{task['id']}/{verb}", sent)
    assert answer.status_code == 200, answer.text


def read_task(client: Client, key: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/v1/tasks/{key}").json
    return found


def events_of(client: Client, key: str) -> list[dict[str, Any]]:
    """What happened to it, the first first."""
    found = client.get(f"/v1/events?object_id={key}&sort=occurred_at&limit=100")
    items: list[dict[str, Any]] = found.json["items"]
    return items


def create_customer(client: Client, reference: str = "C-1") -> str:
    key: str = client.create("/v1/customers", {"reference": reference, "name": "Ann"})["id"]
    return key


def create_conversation(client: Client, customer_id: str, **values: Any) -> str:
    body = {"customer_id": customer_id, "subject": "Help", "channel": "web", **values}
    key: str = client.create("/v1/conversations", body)["id"]
    return key


def is_active(desk: DeskWork, agent: str) -> bool:
    return bool(desk.read("agents", agent)["is_active"])
