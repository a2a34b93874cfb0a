"""The change feed read over HTTP: one page, or all that is there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.client import Client


def read_on(client: Client, cursor: str | None) -> tuple[list[dict[str, Any]], str]:
    suffix = "" if cursor is None else f"&cursor={cursor}"
    answer = client.get(f"/v1/events/feed?limit=2{suffix}")
    assert answer.status_code == 200, answer.text
    return answer.json["items"], answer.json["next_cursor"]


def read_all(
    client: Client, cursor: str | None = None, *, at_least: int = 0
) -> tuple[list[dict[str, Any]], str]:
    """A transaction of another test on the same server holds the feed back: it is waited for."""
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + 60
    while True:
        items, cursor = read_on(client, cursor)
        found += items
        if not items and (len(found) >= at_least or time.monotonic() > deadline):
            return found, cursor
