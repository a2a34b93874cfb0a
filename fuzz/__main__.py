"""Serves a throw-away Caseload, and lets schemathesis loose on it.

    python -m fuzz FOLDER [option of schemathesis ...]

FOLDER has the programs of requirements.txt.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

from tests.server import TestServer

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
PATIENCE = 60  # seconds
OPTIONS = ("--checks", "all", "--exclude-checks", "positive_data_acceptance", "--workers", "1")


def main(programs: Path, options: list[str]) -> int:
    """0 where nothing is found."""
    with served() as (address, token, environment):
        config = ("--config-file", HERE / "schemathesis.toml")
        run_it = ("run", f"{address}/openapi.json", *OPTIONS, *options)
        header = ("-H", f"Authorization: Bearer {token}")
        fuzz = (programs / "schemathesis", *config, *run_it, *header)
        hooks = {"SCHEMATHESIS_HOOKS": "fuzz.hooks", "PYTHONPATH": "."}
        hooks |= {**environment, "FUZZ_KEEPS": " ".join(ids_of(address, token))}
        return subprocess.run(list(map(str, fuzz)), env=hooks, check=False).returncode  # noqa: S603 - our own


@contextmanager
def served() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Its address, the token of an admin, and the environment it runs in."""
    server, port = TestServer(), free_port()
    environment = {
        **os.environ,
        "DATABASE_URL": server.create_template(),
        "CASELOAD_SECRET_KEY": "k" * 32,
        "PORT": str(port),
    }
    # What gunicorn refuses by itself is none of the application's answers.
    options = ["--log-level", "warning", "--limit-request-line", "0"]
    gunicorn = [sys.executable, "-m", "gunicorn", "wsgi:app", *options]
    process = subprocess.Popen(gunicorn, env=environment)  # noqa: S603 - our own
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(f"{address}/readyz")
        flask(environment, "users", "create", "ada@desk.example", "--name=Ada", "--role=admin")
        token = flask(environment, "tokens", "create", "--user", "ada@desk.example")
        yield address, token, environment
    finally:
        process.terminate()
        process.wait()
        server.stop()


def flask(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "flask", *arguments]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)  # noqa: S603 - our own
    return done.stdout.strip()


def ids_of(address: str, token: str) -> list[str]:
    """The token's, and its user's."""
    asked = Request(f"{address}/v1/tokens", headers={"Authorization": f"Bearer {token}"})  # noqa: S310 - on this machine
    with urlopen(asked) as answer:  # noqa: S310 - same
        found = json.load(answer)["items"][0]
    return [found["id"], found["user_id"]]


def wait_for(url: str) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            urlopen(url).close()  # noqa: S310 - on this machine
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
        else:
            return


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
