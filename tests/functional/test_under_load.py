"""A small run of what `python -m benchmarks.load` does at length, on a gunicorn of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from benchmarks.load_crew import Stress
from benchmarks.load_keys import one_key
from benchmarks.load_messages import gapless, one_delivery
from benchmarks.load_tasks import run
from tests.served import Desk, desk_on
from tests.server import copy_template, drop


@pytest.fixture(scope="module")
def desk(template_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    url = copy_template(template_url, f"load_{os.getpid()}")
    folder = tmp_path_factory.mktemp("load")
    with desk_on(url, folder, DATABASE_URL=url, CASELOAD_SECRET_KEY="k" * 32) as desk:
        yield desk
    drop(url)


def test_every_task_is_completed_exactly_once(desk: Desk) -> None:
    """By workers that all claim at once; none gets another's."""
    report = run(desk, "exactly-once", 300, Stress())
    assert report.broken == []
    assert report.seen["lost attempts"] == "0"


def test_killed_and_slow_workers_lose_nothing(desk: Desk) -> None:
    """Who comes too late is told so, and what they held is done by another, once."""
    stress = Stress(lease_seconds=1, oversleeps=0.2, kill_worker_every=0.5)
    report = run(desk, "killed-workers", 120, stress, workers=4)
    assert report.broken == []
    assert report.seen["workers killed"] != "0"


def test_a_killed_server_process_loses_nothing(desk: Desk) -> None:
    """Its clients send again what went unanswered."""
    stress = Stress(lease_seconds=1, kill_server_every=2.0)
    report = run(desk, "killed-servers", 200, stress, workers=4)
    assert report.broken == []
    assert report.seen["servers killed"] != "0"


def test_fifty_deliveries_at_once_make_one_message(desk: Desk) -> None:
    """All are told of the same one, wherever they were sent to."""
    assert one_delivery(desk, rounds=1).broken == []


def test_fifty_posts_with_one_key_have_one_effect(desk: Desk) -> None:
    """And one answer, while processes of the service are killed."""
    report = one_key(desk, rounds=8, kill_every=0.7)
    assert report.broken == []
    assert report.seen["servers killed"] != "0"


def test_messages_are_numbered_without_a_gap(desk: Desk) -> None:
    """Whoever else writes into the conversation at the same time."""
    assert gapless(desk, 20).broken == []
