"""A worker that runs a program for each task, and holds the lease meanwhile."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import threading
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from app.cli.output import public
from app.errors import CaseloadError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.repositories import Record
    from app.services import TaskQueueService

logger = logging.getLogger(__name__)

_MOST_OUTPUT = 1024 * 1024  # bytes
_MOST_ERROR = 2000  # characters of what the program said last
_TICK = 0.2  # seconds between two looks at whether to go on
_GRACE = 5.0  # seconds that a program has to end


@dataclass
class Worker:
    """Each of its threads claims a task, runs the program on it, and ends the task.

    The program reads the task's JSON on stdin. Its stdout completes the task, as JSON where it is
    JSON and else as a string; an exit code other than 0 fails it, with the end of stderr.
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
            except CaseloadError as error:  # the agent was deactivated, say: no use in trying on
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
            process = _start(self.program)
        except OSError as error:  # no fault of the task
            self._end(task, lambda: self.queue.release(task["id"], str(task["lease_token"])))
            self._give_up(str(error))
            return
        output, errors, given_up = self._wait(process, task)
        key, token = task["id"], str(task["lease_token"])
        if given_up:
            self._end(task, lambda: self.queue.release(key, token))
        elif process.returncode != 0:
            said = errors.decode(errors="replace").replace("\0", "").strip()[-_MOST_ERROR:]
            self._fail(task, f"Exit code {process.returncode}. {said}".strip())
        elif len(output) > _MOST_OUTPUT:
            self._fail(task, f"It wrote more than {_MOST_OUTPUT} bytes.", retry=False)
        else:
            self._end(task, lambda: self.queue.complete(key, token, _value(output)))

    def _fail(self, task: Record, error: str, *, retry: bool = True) -> None:
        key, token = task["id"], str(task["lease_token"])
        self._end(task, lambda: self.queue.fail(key, token, error, retry=retry))

    def _wait(self, process: subprocess.Popen[bytes], task: Record) -> tuple[bytes, bytes, bool]:
        """Until the program ends: what it wrote, and whether it was ended before its time."""
        given: bytes | None = orjson.dumps(public(task), option=orjson.OPT_UTC_Z)
        beat = time.monotonic()
        killed_at: float | None = None
        while True:
            try:
                output, errors = process.communicate(given, timeout=_TICK)
            except subprocess.TimeoutExpired:
                given = None  # it is being written already
            else:
                return output, errors, killed_at is not None
            now = time.monotonic()
            if killed_at is not None:
                if now > killed_at:
                    _signal(process, signal.SIGKILL)
            elif self.aborting.is_set():
                killed_at = now + _GRACE
            elif now > beat + self.lease_seconds / 3:
                beat = now
                killed_at = None if self._is_still_wanted(task) else now + _GRACE
            if killed_at == now + _GRACE:
                _signal(process, signal.SIGTERM)

    def _is_still_wanted(self, task: Record) -> bool:
        try:
            renewed = self.queue.heartbeat(task["id"], str(task["lease_token"]))
        except Unavailable as error:
            logger.warning("%s: no heartbeat: %s", task["id"], error)
            return True
        except CaseloadError as error:
            logger.warning("%s: %s", task["id"], error)
            return False
        return not renewed["cancel_requested"]

    def _end(self, task: Record, how: Callable[[], object]) -> None:
        """The lease decides how long it is worth trying."""
        deadline = time.monotonic() + self.lease_seconds
        while True:
            try:
                how()
            except Unavailable as error:
                logger.warning("%s: %s", task["id"], error)
                if time.monotonic() > deadline:
                    return
                time.sleep(self.poll)
            except CaseloadError as error:
                logger.warning("%s: %s", task["id"], error)
                return
            else:
                return


def _start(program: Sequence[str]) -> subprocess.Popen[bytes]:
    """In a session of its own, so that a terminal's Ctrl-C reaches the worker alone."""
    return subprocess.Popen(  # noqa: S603 - the program that the worker was told to run
        program,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    """To the program and all that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _value(output: bytes) -> Any:
    """JSON as what it means, if it can be kept exactly; anything else as text."""
    text = output.decode(errors="replace").replace("\0", "").strip()
    try:
        value = json.loads(text, parse_constant=_refuse)
        orjson.dumps(value)
    except (ValueError, TypeError, RecursionError):
        return text or None
    return text if "\\u0000" in text else value


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON.")
