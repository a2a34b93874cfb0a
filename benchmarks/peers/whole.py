"""Load of requests that take long: each is waited for, also when the time is over.

wrk would leave the last ones alone, and these are many of few.
"""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from typing import TYPE_CHECKING

from benchmarks.peers.jobs import Sent

if TYPE_CHECKING:
    from benchmarks.peers.jobs import Job
    from benchmarks.peers.seed import Seed
    from benchmarks.peers.servers import Served


def send(served: Served, seed: Seed, job: Job, lines: list[str], seconds: int) -> Sent:
    """Send the job's only request again and again, on as many connections as the job has."""
    (line,) = lines
    began = time.monotonic()

    def work(number: int) -> tuple[list[float], int]:
        prefix = f"{time.time_ns():x}-{number}"
        return _repeat(served.port, seed.staff, line.replace("~", f"{prefix}-~"), began + seconds)

    with ThreadPoolExecutor(job.connections) as pool:
        done = list(pool.map(work, range(job.connections)))
    took = [each * 1000 for latencies, _ in done for each in latencies]
    cuts = statistics.quantiles(took, n=100, method="inclusive")
    failed = sum(failed for _, failed in done)
    return Sent(len(took), len(took), time.monotonic() - began, failed, cuts[49], cuts[98])


def _repeat(port: int, token: str, line: str, until: float) -> tuple[list[float], int]:
    """The latencies in seconds, and how many answers were errors."""
    method, path, body = line.split("\t")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    took: list[float] = []
    failed = 0
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        while not took or time.monotonic() < until:
            data = body.replace("~", str(len(took))).encode()
            began = time.monotonic()
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            response.read()
            took.append(time.monotonic() - began)
            failed += response.status >= 400
    return took, failed
