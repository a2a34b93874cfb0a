"""A worker that claims tasks and completes them, in a process that may be killed at any time.

    python -m benchmarks.load_worker PLAN

PLAN is a JSON object with the fields of `Plan`. What it was told is written to its log at once,
one JSON object a line. It imports nothing big, so that it can be replaced quickly.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load_http import Connection

_PAUSE = 0.03  # seconds, where there is nothing to do


@dataclass(frozen=True)
class Plan:
    """It claims up to `most` tasks at a time, and ends when there is a file `stop`.

    `oversleeps` is how often, of 1, it holds what it claimed for longer than the lease lasts.
    """

    port: int
    token: str
    agent: str
    log: str
    stop: str
    most: int = 1
    lease_seconds: int = 60
    oversleeps: float = 0.0


class Worker:
    def __init__(self, plan: Plan) -> None:
        self._plan, self._desk = plan, Connection(plan.port, plan.token)
        self._log = os.open(plan.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._random = random.Random()  # noqa: S311 - no secret

    def run(self) -> None:
        stop = Path(self._plan.stop)
        while not stop.exists():
            held = self._claim()
            if not held:
                time.sleep(_PAUSE)
            elif self._random.random() < self._plan.oversleeps:
                time.sleep(self._plan.lease_seconds * self._random.uniform(1.1, 2))
            for task in held:
                self._complete(task)

    def _claim(self) -> list[Any]:
        limit = self._random.randint(1, self._plan.most)
        body = {"limit": limit, "lease_seconds": self._plan.lease_seconds}
        answer = self._desk.post("/v1/tasks/claim", body)
        items: list[Any] = answer.body.get("items", [])
        if answer.status != 200 or len(items) > limit:
            self._write(did="misled", status=answer.status, problem=answer.problem)
        for task in items:
            self._write(did="claimed", task=task["id"], attempt=task["attempt"])
        return items

    def _complete(self, task: Any) -> None:
        body = {"lease_token": task["lease_token"], "output": {"attempt": task["attempt"]}}
        answer = self._desk.post(f"/v1/tasks/{task['id']}/complete", body)
        self._write(
            did="completed",
            task=task["id"],
            attempt=task["attempt"],
            status=answer.status,
            problem=answer.problem,
            tries=answer.tries,
        )

    def _write(self, **what: Any) -> None:
        line = json.dumps({"agent": self._plan.agent, **what}) + "\n"
        os.write(self._log, line.encode())


if __name__ == "__main__":
    Worker(Plan(**json.loads(sys.argv[1]))).run()
