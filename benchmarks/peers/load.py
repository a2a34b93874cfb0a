"""Runs wrk on a contender, and measures what the contender and PostgreSQL use meanwhile."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.peers import cpu

if TYPE_CHECKING:
    from benchmarks.peers.jobs import Job
    from benchmarks.peers.seed import Seed
    from benchmarks.peers.servers import Served

HERE = Path(__file__).parent
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


def run(served: Served, seed: Seed, job: Job, seconds: float, folder: Path) -> Run:
    """Raises RuntimeError where a request fails."""
    requests = folder / f"{served.contender.name}.requests"
    requests.write_text("\n".join(job.lines(served, seed)))
    began, mine = time.monotonic(), _own_cpu()
    before = cpu.times(served.pid, served.url)
    found = _wrk(served, seed, job, seconds, requests)
    after = _when_idle(served)
    program, backends, machine = after.since(before)
    others = machine - program - backends - (_own_cpu() - mine)
    available = (time.monotonic() - began) * (os.cpu_count() or 1)
    if found["failed"]:
        raise RuntimeError(f"{served.contender.name}: {found['failed']} requests failed.")
    return Run(
        program / found["jobs"] * 1e6,
        backends / found["jobs"] * 1e6,
        found["answered"] / found["seconds"],
        found["p50"],
        found["p99"],
        max(0.0, others / available),
    )


def _wrk(served: Served, seed: Seed, job: Job, seconds: float, requests: Path) -> dict[str, Any]:
    prefix = f"{time.time_ns():x}"
    length = f"{max(1, round(seconds * job.longer))}s"
    headers = (f"Authorization: Bearer {seed.staff}", "Content-Type: application/json")
    command = [
        "wrk",
        "-t",
        str(job.threads),
        "-c",
        str(job.connections),
        "-d",
        length,
        "--timeout",
        "30s",
    ]
    command += [part for header in headers for part in ("-H", header)]
    command += ["-s", str(HERE / job.script), f"http://127.0.0.1:{served.port}"]
    command += ["--", str(requests), prefix, seed.agent]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    _, marker, result = done.stdout.partition("RESULT ")
    if not marker:
        raise RuntimeError(f"wrk failed: {done.stdout}{done.stderr}")
    found: dict[str, Any] = json.loads(result)
    return found


def _when_idle(served: Served) -> cpu.Times:
    """The times once the requests that wrk did not wait for are done too."""
    times = cpu.times(served.pid, served.url)
    for _ in range(_MOST_TENTHS):
        time.sleep(0.1)
        before, times = times, cpu.times(served.pid, served.url)
        program, backends, _ = times.since(before)
        if program + backends <= _QUIET:
            break
    return times


def _own_cpu() -> float:
    """Of this process, and of the runs of wrk that have ended."""
    spent = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in spent)
