"""Processes that move money for some seconds, and what they and PostgreSQL spend on it."""

from __future__ import annotations

import multiprocessing
import random
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.ledger_ways import WAYS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from multiprocessing.connection import Connection
    from uuid import UUID

    from benchmarks.ledger_ways import Way


@dataclass(frozen=True)
class Spent:
    """Of one run; the CPU is in microseconds per transfer."""

    transfers: int
    per_second: float
    client: float
    server: float


@dataclass(frozen=True)
class Order:
    """With `hot` all is paid by that one."""

    way: str
    keys: list[UUID]
    hot: UUID | None
    seconds: float


@dataclass(frozen=True)
class Crew:
    pipes: list[Connection]

    def work(self, order: Order, *, workers: int) -> Spent:
        pipes = self.pipes[:workers]
        for message in (order, "go"):
            for pipe in pipes:
                pipe.send(message)
            answers = [pipe.recv() for pipe in pipes]
        transfers = sum(answer["transfers"] for answer in answers)
        began = min(answer["began"] for answer in answers)
        ended = max(answer["ended"] for answer in answers)
        client, server = (
            sum(answer[name] for answer in answers) / transfers * 1e6
            for name in ("client", "server")
        )
        return Spent(transfers, transfers / (ended - began), client, server)


@contextmanager
def crew(urls: Mapping[str, str], size: int) -> Iterator[Crew]:
    """Each has one connection for every way, which stays open."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for _ in range(size):
        ours, theirs = context.Pipe()
        processes.append(context.Process(target=_serve, args=(dict(urls), theirs), daemon=True))
        processes[-1].start()
        pipes.append(ours)
    try:
        yield Crew(pipes)
    finally:
        for pipe in pipes:
            pipe.send(None)
        for process in processes:
            process.join()


def _serve(urls: dict[str, str], pipe: Connection) -> None:
    ways = {way.name: way(urls) for way in WAYS}
    while (order := pipe.recv()) is not None:
        way = ways[order.way]
        backend = way.backend()
        pipe.send("ready")
        pipe.recv()
        answer = _work(way, backend, order)
        way.backend()
        pipe.send(answer)
    for way in ways.values():
        way.close()


def _work(way: Way, backend: int, order: Order) -> dict[str, Any]:
    began, client, server = time.monotonic(), time.process_time(), cpu_of(backend)
    transfers, end = 0, began + order.seconds
    while time.monotonic() < end:
        source, target = random.sample(order.keys, 2)
        if order.hot == target:
            continue
        way.transfer(order.hot or source, target)
        transfers += 1
    return {
        "transfers": transfers,
        "client": time.process_time() - client,
        "server": cpu_of(backend) - server,
        "began": began,
        "ended": time.monotonic(),
    }


def cpu_of(pid: int) -> float:
    """Seconds on a CPU, of a process with one thread."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
