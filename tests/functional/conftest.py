from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    Run = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def environment(database_url: str) -> dict[str, str]:
    """In which a command works on this worker's database."""
    return {**os.environ, "DATABASE_URL": database_url, "CASELOAD_SECRET_KEY": "k" * 32}


@pytest.fixture
def flask(app: Flask, environment: dict[str, str]) -> Run:
    """Run `flask` as a user would; `app` empties the database afterwards."""

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - the program under test
            [sys.executable, "-m", "flask", *arguments],
            cwd=ROOT,
            env={**environment, **settings},
            capture_output=True,
            text=True,
            check=False,
            errors="surrogateescape",
        )

    return run
