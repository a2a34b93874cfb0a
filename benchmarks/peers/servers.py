"""Serves contenders, each on a database of its own that is a copy of the same one."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import TYPE_CHECKING

from app.settings import ROOT
from benchmarks.peers.seed import defer
from tests.server import copy_template, drop

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from benchmarks.peers.contenders import Contender
    from benchmarks.peers.seed import Seed

_PATIENCE = 60.0  # seconds until it must serve


@dataclass(frozen=True)
class Served:
    """A contender that serves; its other processes are below `process`."""

    contender: Contender
    port: int
    url: str
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def served(
    contenders: Iterable[Contender], template_url: str, seed: Seed, folder: Path
) -> Iterator[list[Served]]:
    """Start all of them; they end with the block. What they log is in the folder."""
    with ExitStack() as stack:
        all_served = [
            stack.enter_context(_served(contender, template_url, seed, folder))
            for contender in contenders
        ]
        try:
            yield all_served
        finally:
            for each in all_served:
                each.process.terminate()  # all at once: each is waited for then


@contextmanager
def _served(contender: Contender, template_url: str, seed: Seed, folder: Path) -> Iterator[Served]:
    url, port = copy_template(template_url, contender.name), _free_port()
    if contender.defers:
        defer(url)
    arguments = [argument.format(port=port) for argument in contender.command]
    with (folder / f"{contender.name}.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own
            [contender.python, *arguments],
            env=_environment(url, port),
            cwd=ROOT,
            stdout=log,
            stderr=log,
            start_new_session=True,  # a Ctrl-C is for whoever started all this
        )
    try:
        _wait_until_ready(process, port, seed, folder / f"{contender.name}.log")
        yield Served(contender, port, url, process, folder / f"{contender.name}.log")
    finally:
        process.terminate()
        process.wait()
        drop(url)


def _environment(url: str, port: int) -> dict[str, str]:
    """Caseload's settings are the default ones, but for a rate that none of this reaches."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CASELOAD_", "DATABASE_", "GUNICORN_"))
    }
    return kept | {
        "DATABASE_URL": url,
        "PORT": str(port),
        "CASELOAD_SECRET_KEY": "k" * 32,
        "CASELOAD_RATE_LIMIT": "1000000",
    }


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, seed: Seed, log: Path) -> None:
    headers = {"Authorization": f"Bearer {seed.staff}"}
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
                connection.request("GET", "/v1/customers?limit=1", headers=headers)
                if connection.getresponse().status == 200:
                    return
        except OSError:
            pass
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"It does not serve:\n{log.read_text()[-3000:]}")
        time.sleep(0.1)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
