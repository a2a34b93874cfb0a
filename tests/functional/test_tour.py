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
    from benchmarks.load_desk import Desk

_BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_tour_does_what_it_says(served: Desk) -> None:
    """From an empty database, in one shell, where nothing may fail."""
    blocks = _BLOCK.findall((ROOT / "docs" / "tour.md").read_text())
    script = "set -euo pipefail\n" + "".join(block for kind, block in blocks if kind == "sh")
    expected = "".join(block for kind, block in blocks if kind == "text")
    done = subprocess.run(  # noqa: S603 - the tour
        ("/bin/bash", "-c", script),
        cwd=ROOT,
        env={
            **os.environ,
            "DATABASE_URL": served.url,
            "CASELOAD_SECRET_KEY": "k" * 32,
            "URL": f"http://127.0.0.1:{served.port}",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == expected
    assert expected.count("\n") > 10
