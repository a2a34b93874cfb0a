"""The tour of docs/tour.md is run as it stands, and prints what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from app.settings import ROOT

if TYPE_CHECKING:
    from tests.served import Desk

_BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_BLOCKS = _BLOCK.findall((ROOT / "docs" / "tour.md").read_text())
_COMMANDS = [block for kind, block in _BLOCKS if kind == "sh"]
_EXPECTED = "".join(block for kind, block in _BLOCKS if kind == "text")


def _run(desk: Desk, script: str) -> subprocess.CompletedProcess[str]:
    """In one shell, which stops where a command fails."""
    return subprocess.run(  # noqa: S603 - the tour
        ("/bin/bash", "-c", f"set -euo pipefail\n{script}"),
        cwd=ROOT,
        env={
            **os.environ,
            "DATABASE_URL": desk.url,
            "CASELOAD_SECRET_KEY": "k" * 32,
            "URL": f"http://127.0.0.1:{desk.port}",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_tour_does_what_it_says_twice(served: Desk) -> None:
    """From an empty database, and again in the same shell on what it left."""
    done = _run(served, "".join(_COMMANDS) * 2)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == _EXPECTED * 2
    assert _EXPECTED.count("\n") > 10


def test_a_command_that_fails_prints_the_problem(served: Desk) -> None:
    """Its `detail`, not a traceback of the page's own function."""
    definitions = "".join(_COMMANDS[:3])
    done = _run(served, definitions + """send POST /accounts '{"name": "Cash"}' | pick '["id"]'""")
    assert done.returncode == 1
    assert done.stdout == "Grace\n"
    assert "currency" in done.stderr
    assert "Traceback" not in done.stderr
