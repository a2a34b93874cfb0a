"""Processes that work at the same time, and what they and PostgreSQL spend on it."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from multiprocessing.connection import Connection


class Way(Protocol):
    def backend(self) -> int: ...
    def close(self) -> None: ...


W = TypeVar("W", bound=Way)


@dataclass(frozen=True)
class Spent:
    """Of one run; the CPU is in microseconds per thing done."""

    done: int
    per_second: float
    client: float
    server: float


@dataclass(frozen=True)
class Crew:
    pipes: list[Connection]

    def work(self, way: str, order: Any, *, workers: int) -> Spent:
        """Let as many of them do it in this way, and begin together."""
        pipes = self.pipes[:workers]
        for message in ((way, order), "go"):
            for pipe in pipes:
                pipe.send(message)
            answers = [pipe.recv() for pipe in pipes]
        done = sum(answer["done"] for answer in answers)
        began = min(answer["began"] for answer in answers)
        ended = max(answer["ended"] for answer in answers)
        client, server = (
            sum(answer[name] for answer in answers) / done * 1e6 for name in ("client", "server")
        )
        return Spent(done, done / (ended - began), client, server)


@contextmanager
def crew(
    serve: Callable[[dict[str, str], Connection], None], urls: Mapping[str, str], size: int
) -> Iterator[Crew]:
    """Each runs `serve`, which obeys."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for _ in range(size):
        ours, theirs = context.Pipe()
        processes.append(context.Process(target=serve, args=(dict(urls), theirs), daemon=True))
        processes[-1].start()
        pipes.append(ours)
    try:
        yield Crew(pipes)
    finally:
        for pipe in pipes:
            pipe.send(None)
        for process in processes:
            process.join()


def obey(pipe: Connection, ways: Mapping[str, W], work: Callable[[W, Any], int]) -> None:
    """Until there is no order any more; each way keeps its connection. `work` says how many."""
    while (message := pipe.recv()) is not None:
        name, order = message
        backend = ways[name].backend()
        pipe.send("ready")
        pipe.recv()
        began, client, server = time.monotonic(), time.process_time(), cpu_of(backend)
        done = work(ways[name], order)
        answer = {"done": done, "began": began, "ended": time.monotonic()}
        answer |= {"client": time.process_time() - client, "server": cpu_of(backend) - server}
        pipe.send(answer)
    for way in ways.values():
        way.close()


def cpu_of(pid: int) -> float:
    """Seconds on a CPU, of a process with one thread."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def medians(spent: Sequence[Spent]) -> tuple[float, float, float]:
    """How many per second, and the CPU of client and server."""
    speed, client, server = zip(
        *((one.per_second, one.client, one.server) for one in spent), strict=True
    )
    return statistics.median(speed), statistics.median(client), statistics.median(server)


def noise(spent: Sequence[Spent]) -> float:
    """Half of the range that the middle half of the speeds is in, to their median."""
    ordered = sorted(one.per_second for one in spent)
    quarter = len(ordered) // 4
    return (ordered[-1 - quarter] - ordered[quarter]) / statistics.median(ordered) / 2
