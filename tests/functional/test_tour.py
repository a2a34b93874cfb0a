"""The tour of docs/tour.md is run as it stands, and prints what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from app.settings import ROOT
from benchmarks.load_desk import desk_on
from tests.server import copy_template, drop

_BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_tour_does_what_it_says(template_url: str, tmp_path: Path) -> None:
    """From an empty database, in one shell, where nothing may fail."""
    blocks = _BLOCK.findall((ROOT / "docs" / "tour.md").read_text())
    script = "set -euo pipefail\n" + "".join(block for kind, block in blocks if kind == "sh")
    expected = "".join(block for kind, block in blocks if kind == "text")
    url = copy_template(template_url, f"tour_{os.getpid()}")
    settings = {"DATABASE_URL": url, "CASELOAD_SECRET_KEY": "k" * 32}
    with desk_on(url, tmp_path, **settings) as desk:
        done = subprocess.run(  # noqa: S603 - the tour
            ("/bin/bash", "-c", script),
            cwd=ROOT,
            env={
                **os.environ,
                **settings,
                "URL": f"http://127.0.0.1:{desk.port}",
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            },
            capture_output=True,
            text=True,
            check=False,
        )
    drop(url)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == expected
    assert expected.count("\n") > 10
