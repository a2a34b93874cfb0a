"""Worker processes that are killed and replaced, and what they wrote down."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from app.settings import ROOT
from benchmarks.load_worker import Plan
from tests.served import Desk, Member

_MOST = (1, 100, 2, 50, 5, 20, 10, 100)  # tasks at a time, by worker; neighbours share a queue
_FIRST_BLOW = 0.4  # seconds
_GRACE = 60.0  # seconds for a worker to finish what it holds


@dataclass(frozen=True)
class Stress:
    """Intervals are in seconds, and None for never; `patience` is how long all may take."""

    lease_seconds: int = 60
    oversleeps: float = 0.0
    kill_worker_every: float | None = None
    kill_server_every: float | None = None
    patience: float = 300.0


@dataclass
class Crew:
    """One worker per agent."""

    desk: Desk
    agents: list[Member]
    stress: Stress
    name: str
    killed: int = 0
    servers_killed: int = 0
    _workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def work_until(self, done: Callable[[], bool]) -> None:
        """Nobody is left afterwards, whether it was done in time or not."""
        self._workers = [self._start(number) for number in range(len(self.agents))]
        try:
            self._disturb_until(done)
            self._stop.touch()
            for worker in self._workers:
                worker.wait(_GRACE)
        finally:
            for worker in self._workers:
                worker.kill()
                worker.wait()

    def told(self) -> list[dict[str, Any]]:
        """What all workers wrote down; the last line of one that was killed may be cut off."""
        logs = self.desk.folder.glob(f"{self.name}-*.log")
        lines = [line for log in logs for line in log.read_text().splitlines(keepends=True)]
        return [json.loads(line) for line in lines if line.endswith("\n")]

    @property
    def failures(self) -> int:
        """Workers that ended by themselves with an error."""
        return sum(worker.returncode > 0 for worker in self._workers)

    def _disturb_until(self, done: Callable[[], bool]) -> None:
        began = time.monotonic()
        worker_due = server_due = began + _FIRST_BLOW
        while time.monotonic() < began + self.stress.patience:
            if self._was_disturbed and done():
                break
            time.sleep(0.05)
            if self.stress.kill_worker_every and time.monotonic() > worker_due:
                self._replace(random.randrange(len(self._workers)))  # noqa: S311 - no secret
                worker_due = time.monotonic() + self.stress.kill_worker_every
            if self.stress.kill_server_every and time.monotonic() > server_due:
                self.servers_killed += self.desk.kill_server(self.servers_killed)
                server_due = time.monotonic() + self.stress.kill_server_every

    @property
    def _was_disturbed(self) -> bool:
        """At least once, by all that it is to be disturbed by."""
        workers = self.killed or self.stress.kill_worker_every is None
        return bool(workers and (self.servers_killed or self.stress.kill_server_every is None))

    def _replace(self, number: int) -> None:
        self._workers[number].kill()
        self._workers[number].wait()
        self.killed += 1
        self._workers[number] = self._start(number)

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        agent = self.agents[number]
        plan = Plan(
            port=self.desk.port,
            token=agent.token,
            agent=str(agent.id),
            log=str(self.desk.folder / f"{self.name}-{number}.log"),
            stop=str(self._stop),
            most=_MOST[number % len(_MOST)],
            lease_seconds=self.stress.lease_seconds,
            oversleeps=self.stress.oversleeps,
        )
        command = (sys.executable, "-m", "benchmarks.load_worker", json.dumps(asdict(plan)))
        return subprocess.Popen(command, cwd=ROOT)  # noqa: S603 - it is our own

    @property
    def _stop(self) -> Path:
        return self.desk.folder / f"{self.name}.stop"
