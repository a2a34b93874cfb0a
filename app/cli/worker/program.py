"""One run of a program: gives it its input, and keeps its output within limits."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
from contextlib import suppress
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MOST_OUTPUT = 1024 * 1024
"""The most bytes of stdout; a program that writes more is killed."""
_MOST_ERRORS = 8000  # bytes of stderr that are kept, the last ones
_CHUNK = 64 * 1024


class Program:
    """A running program, in a session of its own, which a terminal's Ctrl-C does not reach.

    `given` is its stdin. Call `wait` until it returns True, and then `finish`. The constructor
    raises OSError where the program cannot be started.
    """

    def __init__(self, command: Sequence[str], given: bytes) -> None:
        self.output = bytearray()
        self.errors = bytearray()
        self.wrote_too_much = False
        self._given = memoryview(given)
        self._process = subprocess.Popen(  # noqa: S603 - the operator names the program
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._selector = selectors.DefaultSelector()
        self._serve(self._process.stdin, selectors.EVENT_WRITE, self._write)
        self._serve(self._process.stdout, selectors.EVENT_READ, self._read_output)
        self._serve(self._process.stderr, selectors.EVENT_READ, self._read_errors)

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while the program runs."""
        return self._process.returncode

    def wait(self, seconds: float) -> bool:
        """Write and read for at most so long; returns whether the program has ended.

        Processes that it started may still run and keep the pipes open: this does not wait for
        them.
        """
        if self._selector.get_map():
            for key, _ in self._selector.select(seconds):
                key.data(key.fd)
        else:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        return self._process.poll() is not None

    def send_signal(self, number: int) -> None:
        """Send a signal to the program and to the processes that it started in its session."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def finish(self) -> None:
        """After its end: kill the processes that it left, and read what is still in the pipes."""
        self.send_signal(signal.SIGKILL)
        self._drain()
        self._selector.close()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            with suppress(BrokenPipeError):
                _existing(pipe).close()

    def _drain(self) -> None:
        """Read the rest of the pipes, up to a limit: a process in another session may write on."""
        for _ in range(MOST_OUTPUT // _CHUNK + 1):
            ready = [
                key for key, _ in self._selector.select(0) if key.events == selectors.EVENT_READ
            ]
            if not ready:
                return
            for key in ready:
                key.data(key.fd)

    def _serve(self, pipe: IO[bytes] | None, event: int, serve: Callable[[int], None]) -> None:
        descriptor = _existing(pipe).fileno()
        os.set_blocking(descriptor, False)
        self._selector.register(descriptor, event, serve)

    def _write(self, descriptor: int) -> None:
        try:
            self._given = self._given[os.write(descriptor, self._given[:_CHUNK]) :]
        except BrokenPipeError:  # the program reads no more
            self._given = self._given[:0]
        if not self._given:
            self._selector.unregister(descriptor)
            with suppress(BrokenPipeError):
                _existing(self._process.stdin).close()

    def _read_output(self, descriptor: int) -> None:
        self.output += self._read(descriptor)
        if len(self.output) > MOST_OUTPUT and not self.wrote_too_much:
            self.wrote_too_much = True
            self._selector.unregister(descriptor)
            self.send_signal(signal.SIGKILL)

    def _read_errors(self, descriptor: int) -> None:
        self.errors += self._read(descriptor)
        del self.errors[:-_MOST_ERRORS]

    def _read(self, descriptor: int) -> bytes:
        data = os.read(descriptor, _CHUNK)
        if not data:
            self._selector.unregister(descriptor)
        return data


def _existing(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None  # noqa: S101 - Popen makes what PIPE asks for
    return pipe
