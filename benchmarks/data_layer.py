"""CPU per call of the data layer against other code that does the same work, in one run.

    python -m benchmarks.data_layer [ROUNDS]

Each round runs every way of doing a task once, in turn, so that a slow spell of the machine hits
all of them; the median of the rounds is shown, as a ratio to this project's, with the spread of
its own rounds as the noise. Only the client's CPU is counted, not PostgreSQL's.
"""

from __future__ import annotations

import platform
import statistics
import sys
import time
from typing import TYPE_CHECKING

from benchmarks.wallets import wallets
from benchmarks.ways import WAYS, Way

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

CALLS = {"get": 400, "page": 60, "insert": 150, "update": 150, "transfer": 150, "bulk": 1}
ROWS = 20_000


def measure(call: Callable[[int], None], times: int) -> float:
    """Microseconds of CPU per call."""
    started = time.process_time()
    for number in range(times):
        call(number)
    return (time.process_time() - started) / times * 1e6


def run(ways: list[Way], rounds: int) -> dict[str, dict[str, list[float]]]:
    taken: dict[str, dict[str, list[float]]] = {task: {} for task in CALLS}
    for number in range(-1, rounds):  # the first one warms up and is not counted
        for task, times in CALLS.items():
            for way in ways:
                spent = measure(getattr(way, task), times)
                if number >= 0:
                    taken[task].setdefault(way.name, []).append(spent)
    return taken


def report(taken: dict[str, dict[str, list[float]]]) -> None:
    names = [way.name for way in WAYS]
    print(f"| task | {names[0]}, us | noise | {' | '.join(names[1:])} |")
    print("|---" * (len(names) + 2) + "|")
    for task, by_way in taken.items():
        ours = sorted(by_way[names[0]])
        middle = statistics.median(ours)
        quarter = len(ours) // 4
        noise = (ours[-1 - quarter] - ours[quarter]) / middle / 2
        ratios = [f"{statistics.median(by_way[name]) / middle:.2f}" for name in names[1:]]
        print(f"| {task} | {middle:,.0f} | ±{noise:.0%} | {' | '.join(ratios)} |")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with wallets(ROWS) as (url, ids):
        ways = [way(url, ids) for way in WAYS]
        check(ways, ids)
        taken = run(ways, rounds)
        for way in ways:
            way.close()
    print(
        f"Python {platform.python_version()}, {rounds} rounds; ratios: more is slower than ours\n"
    )
    report(taken)


def check(ways: list[Way], ids: list[UUID]) -> None:
    """All of them do every task, and see the same data."""
    for way in ways:
        assert way.owner_of(ids[0]) == "Owner 0", way.name
        for task in CALLS:
            getattr(way, task)(1)


if __name__ == "__main__":
    main()
