"""The client and the agent of docs/clients.md are run as they stand, and print what it says."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from app.domain.actors import Role
from app.settings import ROOT
from tests.page import Page

if TYPE_CHECKING:
    from tests.served import Desk


def test_the_client_and_the_agent_do_what_the_page_says(served: Desk, tmp_path: Path) -> None:
    """Each command prints what stands below it."""
    page = Page((ROOT / "docs/clients.md").read_text())
    outputs = page.run(
        tmp_path / "clients",
        {
            "URL": f"http://127.0.0.1:{served.port}",
            "TOKEN": served.employ("ada", Role.ADMIN).token,
            "DATABASE_URL": served.url,
            "CASELOAD_SECRET_KEY": "k" * 32,
            "FLASK_APP": str(ROOT / "wsgi.py"),
            "PYTHONPATH": str(ROOT),
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        },
    )
    assert outputs == [command.output for command in page.commands]
