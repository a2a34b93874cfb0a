"""A client that is generated from the served document works against the server that served it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from app.domain.actors import Role
from app.settings import ROOT

if TYPE_CHECKING:
    from tests.served import Desk


def test_a_generated_client_works(served: Desk, tmp_path: Path) -> None:
    """openapi-python-client leaves no part out, and its client does the work of a desk's day."""
    address, token = f"http://127.0.0.1:{served.port}", served.employ("ada", Role.ADMIN).token
    source = ("--url", f"{address}/openapi.json", "--meta", "none", "--fail-on-warning")
    package = tmp_path / "caseload_client"
    reported = _run(
        "-m", "openapi_python_client", "generate", *source, "--output-path", str(package)
    )
    assert reported == f"Generating {package}\n"
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
