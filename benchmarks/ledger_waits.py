"""What limits each case of `ledger`: where its backends are found, and what the disk and CPU do.

    python -m benchmarks.ledger_waits [--forgetful] [SECONDS]

Every way runs once by itself. Its backends are looked at fifty times a second; `their client` is
a backend between two statements, so that its client works, or waits for a CPU. CPUs are those that
the clients and their backends keep busy, and those that anything on the machine does.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2

from benchmarks.ledger import ACCOUNTS, CASES, FORGETFUL, WORKERS
from benchmarks.ledger_crew import serve
from benchmarks.ledger_tables import open_accounts, run, server
from benchmarks.ledger_ways import WAYS
from benchmarks.processes import crew

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.ledger import Case
    from benchmarks.ledger_crew import Order
    from benchmarks.ledger_ways import Way
    from benchmarks.processes import Crew

SETTINGS = {"track_wal_io_timing": "on"}

# The connections of the other ways are open too, and have done nothing since.
_WHERE = """
SELECT CASE WHEN state <> 'active' THEN 'their client'
    ELSE coalesce(wait_event_type || ':' || wait_event, 'running') END
FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND state_change > %s
"""
_WAL = """
SELECT (SELECT wal_bytes FROM pg_stat_wal), sum(fsyncs), sum(fsync_time)
FROM pg_stat_io WHERE object = 'wal'
"""


@contextmanager
def looking(url: str) -> Iterator[Counter[str]]:
    """Count where the backends are, until the block ends."""
    found: Counter[str] = Counter()
    over = threading.Event()

    def look() -> None:
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute("SELECT clock_timestamp()")
            [since] = cursor.fetchall()
            while not over.wait(0.02):
                cursor.execute(_WHERE, since)
                found.update(where for (where,) in cursor.fetchall())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def wal(url: str) -> tuple[float, float, float]:
    """Bytes written, flushes, and the milliseconds that these took, since the server began."""
    [(size, flushes, took)] = run(url, _WAL)
    return float(size), float(flushes), float(took)


def busy() -> float:
    """Seconds that the CPUs of the machine have worked since it began, whoever for."""
    ticks = [int(n) for n in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return (sum(ticks) - sum(ticks[3:5])) / os.sysconf("SC_CLK_TCK")


def shares(found: Counter[str]) -> str:
    return ", ".join(f"{name} {n / found.total():.0%}" for name, n in found.most_common(5))


def show(url: str, case: Case, way: type[Way], order: Order, workers: Crew) -> None:
    before, began, worked = wal(url), time.monotonic(), busy()
    with looking(url) as found:
        spent = workers.work(way.name, order, workers=case.workers)
    took = time.monotonic() - began
    ours = (spent.client + spent.server) * spent.per_second / 1e6
    size, flushes, flushing = (now - then for now, then in zip(wal(url), before, strict=True))
    print(
        f"| {case.name}, {case.workers}: {way.name} | {spent.per_second:,.0f} | {ours:.1f}"
        f" | {(busy() - worked) / took:.1f} | {size / spent.done / 1000:.1f}"
        f" | {flushes / took:,.0f} | {flushing / max(flushes, 1):.2f} | {shares(found)} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--forgetful", action="store_true")
    parser.add_argument("seconds", type=float, nargs="?", default=5)
    asked = parser.parse_args()
    settings = SETTINGS | (FORGETFUL if asked.forgetful else {})
    columns = "transfers/s", "CPUs, ours", "all", "WAL, kB", "flushes/s", "one, ms", "found"
    print(f"| | {' | '.join(columns)} |\n|---{'|---' * len(columns)}|")
    with server(settings) as urls, crew(serve, urls, WORKERS) as workers:
        stateless, keys = open_accounts(urls, ACCOUNTS)
        for way in WAYS:  # opens the connections, and warms up
            workers.work(way.name, CASES[1].order(1, stateless, keys), workers=WORKERS)
        for case in CASES:
            for each in urls.values():
                run(each, "VACUUM ANALYZE")
            for way in case.ways:
                order = case.order(asked.seconds, stateless, keys)
                show(urls["caseload"], case, way, order, workers)


if __name__ == "__main__":
    main()
