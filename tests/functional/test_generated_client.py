"""A client that is generated from the served document works against the server that served it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.domain.actors import Role
from app.settings import ROOT
from benchmarks.load_desk import desk_on
from tests.server import copy_template, drop

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def served(template_url: str, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The address of a service on an empty database, and the token of an admin."""
    url = copy_template(template_url, f"client_{os.getpid()}")
    with desk_on(url, tmp_path, DATABASE_URL=url, CASELOAD_SECRET_KEY="k" * 32) as desk:
        yield f"http://127.0.0.1:{desk.port}", desk.employ("ada", Role.ADMIN).token
    drop(url)


def test_a_generated_client_works(served: tuple[str, str], tmp_path: Path) -> None:
    """openapi-python-client leaves no part out, and its client does the work of a desk's day."""
    address, token = served
    source = ("--url", f"{address}/openapi.json", "--meta", "none", "--fail-on-warning")
    package = tmp_path / "caseload_client"
    told = _run("-m", "openapi_python_client", "generate", *source, "--output-path", str(package))
    assert told == f"Generating {package}\n"
    program = str(ROOT / "tests" / "generated_client.py")
    assert _run("-W", "error", program, address, token, PYTHONPATH=str(tmp_path)) == ""


def _run(*arguments: str, **settings: str) -> str:
    """All that a program in Python says, which must end well."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # the generator calls ruff
    done = subprocess.run(  # noqa: S603 - the generator, and the client
        (sys.executable, *arguments),
        env={**os.environ, "PATH": path, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
