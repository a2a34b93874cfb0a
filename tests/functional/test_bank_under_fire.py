"""A short run of the bank of `python -m benchmarks.load`, and proof that its checks can fail."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from benchmarks.load_bank import Fire, run
from benchmarks.load_bank_locks import unlock_triggers
from tests.served import desk_of_its_own, desk_on
from tests.server import copy_template, drop

if TYPE_CHECKING:
    from pathlib import Path


def test_no_penny_is_made_lost_or_moved_twice() -> None:
    """While processes of the service and the database itself are killed under eight clients."""
    with desk_of_its_own() as desk:
        report = run(desk, "bank", 15, Fire(kill_server_every=1.5, kill_database_every=5))
    assert report.broken == []


def test_without_locks_the_same_checks_fail(template_url: str, tmp_path: Path) -> None:
    """So they can tell: with the locks taken out of the service and of the triggers."""
    url = copy_template(template_url, f"unlocked_{os.getpid()}")
    settings = {"DATABASE_URL": url, "CASELOAD_SECRET_KEY": "k" * 32}
    with desk_on(url, tmp_path, "benchmarks.load_bank_unlocked:app", **settings) as desk:
        unlock_triggers(desk)
        report = run(desk, "unlocked", 5, Fire())
    drop(url)
    broken = {line.split(": ")[1] for line in report.broken}
    assert {"different totals that were read", "balances that are not what was posted"} <= broken
    assert "what verify finds" in broken
