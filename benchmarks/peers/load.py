"""Puts load on a contender, and measures what the contender and PostgreSQL use meanwhile."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.peers import cpu, whole, wrk

if TYPE_CHECKING:
    from benchmarks.peers.jobs import Job
    from benchmarks.peers.seed import Seed
    from benchmarks.peers.servers import Served

_QUIET = 0.02  # seconds of CPU in a tenth of a second: it has ended what it was asked
_MOST_TENTHS = 50


@dataclass(frozen=True)
class Run:
    """CPU in microseconds per job, latencies in milliseconds; `others` is a share of all CPUs."""

    program: float
    postgresql: float
    per_second: float
    p50: float
    p99: float
    others: float


def run(served: Served, seed: Seed, job: Job, seconds: int) -> Run:
    """Raises RuntimeError where a request fails."""
    send = whole.send if job.script is None else wrk.send
    lines = job.lines(served, seed)
    began, mine = time.monotonic(), _own_cpu()
    before = cpu.times(served.process.pid, served.url)
    sent = send(served, seed, job, lines, seconds * job.longer)
    program, backends, machine = _when_idle(served).since(before)
    others = machine - program - backends - (_own_cpu() - mine)
    available = (time.monotonic() - began) * (os.cpu_count() or 1)
    if sent.failed:
        raise RuntimeError(f"{served.contender.name}: {sent.failed} requests failed.")
    return Run(
        program / sent.jobs * 1e6,
        backends / sent.jobs * 1e6,
        sent.answered / sent.seconds,
        sent.p50,
        sent.p99,
        max(0.0, others / available),
    )


def _when_idle(served: Served) -> cpu.Times:
    """The times once the requests that wrk did not wait for are done too."""
    times = cpu.times(served.process.pid, served.url)
    for _ in range(_MOST_TENTHS):
        time.sleep(0.1)
        before, times = times, cpu.times(served.process.pid, served.url)
        program, backends, _ = times.since(before)
        if program + backends <= _QUIET:
            break
    return times


def _own_cpu() -> float:
    """Of this process, and of the runs of wrk that have ended."""
    spent = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in spent)
