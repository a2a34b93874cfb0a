"""A worker that runs a program for each task, and holds the lease meanwhile."""

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
    from app.services import TaskQueueService

logger = logging.getLogger(__name__)

_MOST_ERROR = 2000  # characters of what the program said last
_TICK = 0.2  # seconds between two looks at whether to go on
_GRACE = 5.0  # seconds that a program has to end


@dataclass
class Worker:
    """Each of its threads claims a task, runs the program on it, and ends the task.

    The program reads the task's JSON on stdin. Its stdout completes the task, as JSON where it is
    JSON and else as a string; output that cannot be stored as it is and an exit code other than 0
    fail it, the latter with the end of stderr.
    """

    queue: TaskQueueService
    queues: Sequence[str]
    program: Sequence[str]
    lease_seconds: int
    poll: float
    drain: bool = False
    stopping: threading.Event = field(default_factory=threading.Event)
    aborting: threading.Event = field(default_factory=threading.Event)
    refusal: str | None = None  # why it stopped by itself

    def run(self, concurrency: int) -> None:
        """Until it is stopped, or with `drain` until there is nothing to do."""
        with ThreadPoolExecutor(concurrency, thread_name_prefix="worker") as pool:
            threads = [pool.submit(self._work) for _ in range(concurrency)]
            running = set(threads)
            while running:  # awake now and then: a signal may have come to another thread
                ended, running = wait(running, timeout=_TICK, return_when=FIRST_COMPLETED)
                if any(thread.exception() is not None for thread in ended):
                    self.stopping.set()  # the others finish what they hold
        for thread in threads:
            thread.result()

    def stop(self) -> None:
        """Finish what is held and claim no more; the second time, give it back instead."""
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
            except ApplicationError as error:  # the agent was deactivated, say: no use in trying on
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
        except OSError as error:  # no fault of the task
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
        """Until the program ends: False where it was ended because nobody wants its result."""
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
            said = program.errors.decode(errors="replace").replace("\0", "").strip()
            reason = f"Exit code {program.exit_code}. {said[-_MOST_ERROR:]}"
            self._fail(task, reason.strip())
        else:
            self._complete(task, bytes(program.output))

    def _complete(self, task: Record, written: bytes) -> None:
        key, token = task["id"], str(task["lease_token"])
        try:
            output = parse_output(written)
            self._end(task, lambda: self.queue.complete(key, token, output))
        except Invalid as error:
            self._fail(task, f"The output cannot be stored: {error}"[:_MOST_ERROR])

    def _fail(self, task: Record, error: str, *, retry: bool = True) -> None:
        key, token = task["id"], str(task["lease_token"])
        self._end(task, lambda: self.queue.fail(key, token, error, retry=retry))

    def _release(self, task: Record) -> None:
        self._end(task, lambda: self.queue.release(task["id"], str(task["lease_token"])))

    def _is_still_wanted(self, task: Record) -> bool:
        try:
            renewed = self.queue.heartbeat(task["id"], str(task["lease_token"]))
        except Unavailable as error:
            logger.warning("%s: no heartbeat: %s", task["id"], error)
            return True
        except ApplicationError as error:
            logger.warning("%s: %s", task["id"], error)
            return False
        return not renewed["cancel_requested"]

    def _end(self, task: Record, how: Callable[[], object]) -> None:
        """Try as long as the lease lasts; raises Invalid where the service refuses a value."""
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
