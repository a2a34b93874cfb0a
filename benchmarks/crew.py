"""Processes that work a queue off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.processes import obey
from benchmarks.queue_ways import WAYS

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from benchmarks.queue_ways import Way


def serve(urls: dict[str, str], pipe: Connection) -> None:
    obey(pipe, {way.name: way(urls) for way in WAYS}, _work)


def _work(way: Way, limit: int) -> int:
    """Claim so many at a time and complete them, until there is nothing left."""
    tasks = 0
    while claimed := way.claim(limit):
        for task in claimed:
            way.complete(task)
        tasks += len(claimed)
    return tasks
