"""Claiming and completing tasks against other queues on PostgreSQL, in one run.

    python -m benchmarks.task_queue [ROUNDS [TASKS]]

The server is as durable as it is by default. Each round runs every way once, in turn, on tables
that were filled anew; the median of the rounds is shown. The server's CPU is that of the backends:
not of the WAL writer and the like.
"""

from __future__ import annotations

import platform
import sys
from itertools import product

from benchmarks.crew import serve
from benchmarks.processes import Crew, Spent, crew, medians, noise
from benchmarks.queue_tables import fill, server
from benchmarks.queue_ways import WAYS

WORKERS, LIMITS = (1, 4), (1, 10)

Taken = dict[tuple[int, int], dict[str, list[Spent]]]


def run(urls: dict[str, str], workers: Crew, rounds: int, tasks: int) -> Taken:
    cases = list(product(WORKERS, LIMITS))
    taken: Taken = {case: {way.name: [] for way in WAYS} for case in cases}
    for number in range(-1, rounds):  # the first one warms up and is not counted
        for (many, limit), way in product(cases, WAYS):
            made = tasks if number >= 0 else tasks // 10
            fill(urls, way.table, made)
            spent = workers.work(way.name, limit, workers=many)
            assert spent.done == made, (way.name, spent)
            if number >= 0:
                taken[many, limit][way.name].append(spent)
    return taken


def report(taken: Taken) -> None:
    for (many, limit), by_way in taken.items():
        print(f"\n{many} worker{'s' if many > 1 else ''}, {limit} at a time:\n")
        print("| | tasks/s | noise | client, us | server, us | client, ratio | total, ratio |")
        print("|---|---|---|---|---|---|---|")
        base_client, base_server = medians(by_way["by hand, attempts"])[1:]
        for name, spent in by_way.items():
            speed, client, backend = medians(spent)
            spread = noise(spent)
            ratios = client / base_client, (client + backend) / (base_client + base_server)
            print(
                f"| {name} | {speed:,.0f} | ±{spread:.0%} | {client:,.0f} | {backend:,.0f}"
                f" | {ratios[0]:.2f} | {ratios[1]:.2f} |"
            )


def main() -> None:
    rounds, tasks = (*map(int, sys.argv[1:]), *(7, 2_000)[len(sys.argv) - 1 :])
    with server() as urls, crew(serve, urls, max(WORKERS)) as workers:
        taken = run(urls, workers, rounds, tasks)
    print(
        f"Python {platform.python_version()}, {rounds} rounds of {tasks:,} tasks, per task;"
        " ratios: to the queue by hand with attempts"
    )
    report(taken)


if __name__ == "__main__":
    main()
