"""Conversations over HTTP in few words: their paths, their messages and what happened to them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from app.db.listing import format_timestamp
from tests.client import Client

PATH = "/v1/conversations"
NOBODY = "01a00000-0000-7000-8000-000000000000"
STATUSES = ["open", "pending", "snoozed", "resolved", "closed"]
HELLO = {"body": "Hello?"}


def moment(**ahead: float) -> str:
    return format_timestamp(datetime.now(UTC) + timedelta(**ahead))


def events_of(client: Client, path: str) -> list[dict[str, Any]]:
    """What happened to it, the first first."""
    query = f"object_id={path.rpartition('/')[2]}&sort=occurred_at&limit=100"
    items: list[dict[str, Any]] = client.get(f"/v1/events?{query}").json["items"]
    return items


def actions_of(client: Client, path: str) -> list[str]:
    return [event["action"] for event in events_of(client, path)]


def count_all(client: Client) -> list[int]:
    return [
        client.get(f"/v1/{name}?include_total=true").json["total"]
        for name in ("conversations", "tasks", "events")
    ]
