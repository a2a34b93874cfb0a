"""Conversations that are merged, by their ids, over HTTP in few words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests import conversations
from tests.client import Client
from tests.conversations import PATH

if TYPE_CHECKING:
    from tests.client import Answer


def note(client: Client, key: str, body: str) -> dict[str, Any]:
    return client.create(f"{PATH}/{key}/messages", {"direction": "note", "body": body})


def merge(client: Client, source: str, target: str, **headers: str) -> Answer:
    return client.post(f"{PATH}/{source}/merge", {"into": target}, **headers)


def read(client: Client, key: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"{PATH}/{key}").json
    return found


def messages_of(client: Client, key: str) -> list[dict[str, Any]]:
    """All of them, page by page."""
    return conversations.messages_of(client, f"{PATH}/{key}")


def changes_of(client: Client, key: str) -> list[tuple[str, dict[str, Any]]]:
    """The actions of its events with their changes, the first first."""
    items = client.get(f"/v1/events?object_id={key}&sort=occurred_at&limit=100").json["items"]
    return [(event["action"], event["changes"]) for event in items]
