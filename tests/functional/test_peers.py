"""What `make bench-peers` compares Caseload with does the same work."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.peers.check import differences
from benchmarks.peers.contenders import CASELOAD, FLOOR
from benchmarks.peers.seed import fill
from benchmarks.peers.servers import served
from tests.server import copy_template, drop


def test_the_floor_gives_the_same_answers_as_caseload(template_url: str, tmp_path: Path) -> None:
    """And leaves the same rows behind: events, personal values, balances, attempts."""
    url = copy_template(template_url, f"peers_{os.getpid()}")
    seed = fill(url, 10)
    with served((FLOOR, CASELOAD), url, seed, tmp_path) as contenders:
        assert differences(contenders, seed) == []
    drop(url)
