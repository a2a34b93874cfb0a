"""Transfers between few and many accounts, and out of a hot one, against two ways by hand.

    python -m benchmarks.ledger [--forgetful] [ROUNDS [SECONDS]]

The server is as durable as it is by default; `--forgetful` does not wait for the disk. Each round
runs every way once, in turn, for so many seconds; the median of the rounds is shown. The server's
CPU is that of the backends: not of the WAL writer and the like. At the end both ledgers are
verified. What limits each case is seen by `ledger_waits`.
"""

from __future__ import annotations

import argparse
import platform
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.ledger_crew import Order, serve
from benchmarks.ledger_tables import open_accounts, run, server, verify
from benchmarks.ledger_ways import WAYS, SameStatements
from benchmarks.processes import crew, medians, noise

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from benchmarks.ledger_ways import Way
    from benchmarks.processes import Crew, Spent

ACCOUNTS, WORKERS = 1000, 4
FORGETFUL = {"fsync": "off", "synchronous_commit": "off"}


@dataclass(frozen=True)
class Case:
    """`hot`: every transfer comes from one account, which stores its balance or does not."""

    name: str
    accounts: int
    workers: int = WORKERS
    hot: bool = False
    stores_balance: bool = True

    @property
    def ways(self) -> list[type[Way]]:
        """By hand every account stores its balance."""
        return [way for way in WAYS if self.stores_balance or way.database == "caseload"]

    def order(self, seconds: float, stateless: UUID, keys: list[UUID]) -> Order:
        hot = (keys[0] if self.stores_balance else stateless) if self.hot else None
        return Order(keys[: self.accounts], hot, seconds)


CASES = [
    Case("2 accounts", 2),
    Case("10 accounts", 10),
    Case("1,000 accounts", ACCOUNTS, workers=1),
    Case("1,000 accounts", ACCOUNTS),
    Case("1,000 paid by one", ACCOUNTS, hot=True),
    Case("1,000 paid by one without a stored balance", ACCOUNTS, hot=True, stores_balance=False),
]

Taken = dict[Case, dict[str, list["Spent"]]]


def measure(urls: Mapping[str, str], workers: Crew, rounds: int, seconds: float) -> Taken:
    taken: Taken = {case: {way.name: [] for way in case.ways} for case in CASES}
    made: Counter[str] = Counter()
    stateless, keys = open_accounts(urls, ACCOUNTS)
    for number in range(-1, rounds):  # the first one warms up and is not counted
        for url in urls.values():
            run(url, "VACUUM ANALYZE")
        for case in CASES:
            for way in case.ways:
                order = case.order(seconds if number >= 0 else 1, stateless, keys)
                spent = workers.work(way.name, order, workers=case.workers)
                made[way.database] += spent.done
                if number >= 0:
                    taken[case][way.name].append(spent)
    verify(urls, made)
    return taken


def report(taken: Taken) -> None:
    for case, by_way in taken.items():
        print(f"\n{case.name}, {case.workers} worker{'s' if case.workers > 1 else ''}:\n")
        print("| | transfers/s | noise | client, us | server, us | speed, ratio | CPU, ratio |")
        print("|---|---|---|---|---|---|---|")
        base_speed, base_client, base_server = medians(by_way[SameStatements.name])
        for name, spent in by_way.items():
            speed, client, backend = medians(spent)
            spread = noise(spent)
            cpu = (client + backend) / (base_client + base_server)
            print(
                f"| {name} | {speed:,.0f} | ±{spread:.0%} | {client:,.0f} | {backend:,.0f}"
                f" | {speed / base_speed:.2f} | {cpu:.2f} |"
            )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--forgetful", action="store_true")
    parser.add_argument("rounds", type=int, nargs="?", default=7)
    parser.add_argument("seconds", type=float, nargs="?", default=4)
    asked = parser.parse_args()
    with (
        server(FORGETFUL if asked.forgetful else None) as urls,
        crew(serve, urls, WORKERS) as workers,
    ):
        taken = measure(urls, workers, asked.rounds, asked.seconds)
        version = run(urls["caseload"], "SHOW server_version")[0][0]
    how = "not waiting for the disk" if asked.forgetful else "durable"
    print(
        f"Python {platform.python_version()}, PostgreSQL {version}, {how}, {asked.rounds} rounds of"
        f" {asked.seconds:g} s; ratios: to psycopg2 with the same statements"
    )
    report(taken)


if __name__ == "__main__":
    main()
