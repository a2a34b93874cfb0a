"""What only shows under load, tried out over HTTP and checked in the tables.

    python -m benchmarks.load [--tasks 20000] [--scenario NAME]

It starts a throw-away server with durable settings, and gunicorn with two workers on it. Exits with
1 if a claim does not hold.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from benchmarks.load_bank import Fire
from benchmarks.load_bank import run as run_bank
from benchmarks.load_crew import Stress
from benchmarks.load_keys import one_key
from benchmarks.load_messages import gapless, one_delivery
from benchmarks.load_report import Report
from benchmarks.load_tasks import run
from tests.served import Desk, desk_of_its_own

CALM = Stress()
DEADLY = Stress(lease_seconds=2, oversleeps=0.15, kill_worker_every=0.5)
BURNING = Fire(kill_server_every=2.0, kill_database_every=10.0)
SHAKY = Stress(lease_seconds=5, kill_server_every=2.0)

SCENARIOS: dict[str, Callable[[Desk, int], Report]] = {
    "exactly-once": lambda desk, tasks: run(desk, "exactly-once", tasks, CALM),
    "killed-workers": lambda desk, tasks: run(desk, "killed-workers", tasks // 5, DEADLY),
    "killed-servers": lambda desk, tasks: run(desk, "killed-servers", tasks // 5, SHAKY),
    "one-delivery": lambda desk, _: one_delivery(desk),
    "gapless": lambda desk, _: gapless(desk),
    "one-key": lambda desk, _: one_key(desk, kill_every=1.0),
    "bank": lambda desk, _: run_bank(desk, "bank", 120, BURNING),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load")
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--scenario", choices=SCENARIOS)
    given = parser.parse_args()
    broken: list[str] = []
    for name in [given.scenario] if given.scenario else SCENARIOS:
        with desk_of_its_own() as desk:
            report = SCENARIOS[name](desk, given.tasks)
            report.show()
            broken += report.broken
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
