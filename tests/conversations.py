"""Conversations over HTTP in few words: their paths, their messages and what happened to them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from app.db.listing import format_timestamp
from tests import desk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.client import Answer, Client

PATH = "/v1/conversations"
NOBODY = "01a00000-0000-7000-8000-000000000000"
STATUSES = ["open", "pending", "snoozed", "resolved", "closed"]
HELLO = {"body": "Hello?"}
IN = {"direction": "inbound", "body": "Hello?"}
OUT = {"direction": "outbound", "body": "Hello!"}
NOTE = {"direction": "note", "body": "Hm."}


def moment(**ahead: float) -> str:
    return format_timestamp(datetime.now(UTC) + timedelta(**ahead))


def events_of(client: Client, path: str) -> list[dict[str, Any]]:
    """What happened to it, the first first."""
    return desk.events_of(client, path.rpartition("/")[2])


def actions_of(client: Client, path: str) -> list[str]:
    return [event["action"] for event in events_of(client, path)]


def count_all(client: Client) -> list[int]:
    return [
        client.get(f"/v1/{name}?include_total=true").json["total"]
        for name in ("conversations", "tasks", "events")
    ]


def at_once(calls: Sequence[Callable[[], Answer]]) -> list[Answer]:
    """The answers to calls that all wait for each other to begin."""
    ready = threading.Barrier(len(calls))

    def run(call: Callable[[], Answer]) -> Answer:
        ready.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def messages_of(client: Client, path: str) -> list[dict[str, Any]]:
    """All of them, page by page."""
    url, items = f"{path}/messages?limit=100", []
    while True:
        answer = client.get(url).json
        items += answer["items"]
        if answer["next_cursor"] is None:
            return items
        url = f"{path}/messages?limit=100&cursor={answer['next_cursor']}"
