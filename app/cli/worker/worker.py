"""A worker that runs a program for each task, and renews the task's lease while it runs."""

from __future__ import annotations

import logging
import signal
import threading
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from app.cli.task_records import public_record
from app.cli.worker.output import parse_output
from app.cli.worker.program import MOST_OUTPUT, Program
from app.db.errors import ApplicationError, Invalid, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.db import Record
    from app.services import TaskLeaseService, TaskQueueService

logger = logging.getLogger(__name__)

_MOST_ERROR = 2000  # characters of stderr that become the error of a task, the last ones
_TICK = 0.2  # seconds after which a thread checks again whether to stop
_GRACE = 5.0  # seconds between SIGTERM and SIGKILL


@dataclass
class Worker:
    """Each of its threads claims a task, runs the program on it, and ends the task.

    The program reads the task as JSON from stdin. Its stdout becomes the task's output, as JSON or
    else as a string. The task fails where that cannot be stored, or with the end of stderr where
    the exit code is not 0.
    """

    queue: TaskQueueService
    leases: TaskLeaseService
    queues: Sequence[str]
    program: Sequence[str]
    lease_seconds: int
    poll: float
    drain: bool = False
    stopping: threading.Event = field(default_factory=threading.Event)
    aborting: threading.Event = field(default_factory=threading.Event)
    refusal: str | None = None  # the reason, where the worker stopped by itself

    def run(self, concurrency: int) -> None:
        """Work until `stop` is called, or with `drain` until no task can be claimed."""
        with ThreadPoolExecutor(concurrency, thread_name_prefix="worker") as pool:
            threads = [pool.submit(self._work) for _ in range(concurrency)]
            running = set(threads)
            while running:  # wakes regularly: only this, the main thread, handles signals
                ended, running = wait(running, timeout=_TICK, return_when=FIRST_COMPLETED)
                if any(thread.exception() is not None for thread in ended):
                    self.stopping.set()  # the other threads finish their tasks
        for thread in threads:
            thread.result()

    def stop(self) -> None:
        """Claim no more, and finish the running tasks; on a second call give them back instead."""
        if self.stopping.is_set():
            self.aborting.set()
        self.stopping.set()

    def _work(self) -> None:
        while not self.stopping.is_set():
            try:
                claimed = self.queue.claim(
                    queues=self.queues, limit=1, lease_seconds=self.lease_seconds
                )
            except Unavailable as error:
                logger.warning("No task could be claimed: %s", error)
                self.stopping.wait(self.poll)
                continue
            except ApplicationError as error:  # such as a deactivated agent: a retry cannot help
                self._give_up(str(error))
                return
            for task in claimed:
                self._run(task)
            if not claimed and self.drain:
                return
            if not claimed:
                self.stopping.wait(self.poll)

    def _give_up(self, why: str) -> None:
        self.refusal = why
        self.stopping.set()

    def _run(self, task: Record) -> None:
        logger.info("%s: attempt %s of %s", task["id"], task["attempt"], task["kind"])
        try:
            given = orjson.dumps(public_record(task), option=orjson.OPT_UTC_Z)
            program = Program(self.program, given)
        except OSError as error:  # the program is missing: the task is not to blame
            self._release(task)
            self._give_up(str(error))
            return
        is_wanted = self._wait(program, task)
        program.finish()
        if is_wanted:
            self._end_with(program, task)
        else:
            self._release(task)

    def _wait(self, program: Program, task: Record) -> bool:
        """Wait until the program ends; False where the worker stopped it, unfinished."""
        beat = time.monotonic()
        kill_at: float | None = None
        while not program.wait(_TICK):
            now = time.monotonic()
            if kill_at is not None:
                if now > kill_at:
                    program.send_signal(signal.SIGKILL)
                continue
            is_wanted = not self.aborting.is_set()
            if is_wanted and now > beat + self.lease_seconds / 3:
                beat, is_wanted = now, self._is_still_wanted(task)
            if not is_wanted:
                kill_at = now + _GRACE
                program.send_signal(signal.SIGTERM)
        return kill_at is None

    def _end_with(self, program: Program, task: Record) -> None:
        """Complete the task with the program's output, or fail it with the reason."""
        if program.wrote_too_much:
            reason = f"The program wrote more than {MOST_OUTPUT} bytes to stdout."
            self._fail(task, reason, retry=False)
        elif program.exit_code != 0:
            errors = program.errors.decode(errors="replace").replace("\0", "").strip()
            reason = f"Exit code {program.exit_code}. {errors[-_MOST_ERROR:]}"
            self._fail(task, reason.strip())
        else:
            self._complete(task, bytes(program.output))

    def _complete(self, task: Record, written: bytes) -> None:
        key, token = task["id"], str(task["lease_token"])
        try:
            output = parse_output(written)
            self._end(task, lambda: self.leases.complete(key, token, output))
        except Invalid as error:
            self._fail(task, f"The output cannot be stored: {error}"[:_MOST_ERROR])

    def _fail(self, task: Record, error: str, *, retry: bool = True) -> None:
        key, token = task["id"], str(task["lease_token"])
        self._end(task, lambda: self.leases.fail(key, token, error, retry=retry))

    def _release(self, task: Record) -> None:
        self._end(task, lambda: self.leases.release(task["id"], str(task["lease_token"])))

    def _is_still_wanted(self, task: Record) -> bool:
        try:
            renewed = self.leases.heartbeat(task["id"], str(task["lease_token"]))
        except Unavailable as error:
            logger.warning("%s: no heartbeat: %s", task["id"], error)
            return True
        except ApplicationError as error:
            logger.warning("%s: %s", task["id"], error)
            return False
        return not renewed["cancel_requested"]

    def _end(self, task: Record, how: Callable[[], object]) -> None:
        """Call `how`, again and again while the lease lasts; raises Invalid for a refused value."""
        deadline = time.monotonic() + self.lease_seconds
        while True:
            try:
                how()
            except Unavailable as error:
                logger.warning("%s: %s", task["id"], error)
                if time.monotonic() > deadline:
                    return
                time.sleep(self.poll)
            except Invalid:
                raise
            except ApplicationError as error:
                logger.warning("%s: %s", task["id"], error)
                return
            else:
                return
