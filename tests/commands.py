"""`flask` in processes that are forked from one which has imported the application already.

A command runs as a user's does, in a process of its own with its own environment and output, but
without the second that imports take.
"""

from __future__ import annotations

import os
import signal
import sys
from multiprocessing import get_context
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from flask.cli import main

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[1]
_COMMANDS = [f"app.cli.{path.stem}" for path in (ROOT / "app" / "cli").glob("[a-z]*.py")]

_server = get_context("forkserver")
_server.set_forkserver_preload(["tests.commands", "app.application", *_COMMANDS])


class Running:
    """A command that runs, with the methods of `subprocess.Popen`."""

    def __init__(
        self, arguments: tuple[str, ...], environment: Mapping[str, str], folder: str | None = None
    ) -> None:
        given = (arguments, dict(environment), folder)
        self._process = _server.Process(target=_flask, args=given)
        self._process.start()
        self.pid = self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise TimeoutExpired("flask", timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run(arguments: tuple[str, ...], environment: Mapping[str, str]) -> CompletedProcess[str]:
    with TemporaryDirectory() as folder:
        code = Running(arguments, environment, folder).wait()
        out, err = (_read(Path(folder) / name) for name in ("out", "err"))
        return CompletedProcess(["flask", *arguments], code, out, err)


def _flask(arguments: tuple[str, ...], environment: dict[str, str], folder: str | None) -> None:
    for number, name in ((1, "out"), (2, "err")) if folder is not None else ():
        file = os.open(Path(str(folder)) / name, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    sys.argv = ["flask", *arguments]
    main()


def _read(file: Path) -> str:
    return file.read_text(errors="surrogateescape")
