"""Load of short requests, by wrk."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers.jobs import Sent

if TYPE_CHECKING:
    from benchmarks.peers.jobs import Job
    from benchmarks.peers.seed import Seed
    from benchmarks.peers.servers import Served

HERE = Path(__file__).parent


def send(served: Served, seed: Seed, job: Job, lines: list[str], seconds: int) -> Sent:
    """The requests that are on their way at the end are done by the program, and count as jobs."""
    requests = served.log.with_suffix(".requests")
    requests.write_text("\n".join(lines))
    command = [
        *("wrk", f"-t{job.threads}", f"-c{job.connections}", f"-d{seconds}s", "--timeout", "30s"),
        *("-H", f"Authorization: Bearer {seed.staff}", "-H", "Content-Type: application/json"),
        *("-s", str(HERE / f"{job.script}"), f"http://127.0.0.1:{served.port}"),
        *("--", str(requests), f"{time.time_ns():x}", seed.agent),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    _, marker, result = done.stdout.partition("RESULT ")
    if not marker:
        raise RuntimeError(f"wrk failed: {done.stdout}{done.stderr}")
    return Sent(**json.loads(result))
