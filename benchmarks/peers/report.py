"""The results as Markdown: medians and ranges, and ratios to the floor taken within a round."""

from __future__ import annotations

import os
import platform
import statistics
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.peers.load import Run

    Results = dict[str, dict[str, list[Run]]]  # by contender and job, a run a round
    Cell = Callable[[str, str], str]

BASE = "floor"
_RATIOS = {
    "CPU of the program, as a ratio to the floor": "program",
    "CPU of PostgreSQL, as a ratio to the floor": "postgresql",
}
_VALUES = {
    "CPU of the program, us per job": "program",
    "CPU of PostgreSQL's backends, us per job": "postgresql",
    "jobs per second": "per_second",
}


def show(results: Results, titles: dict[str, str], about: str) -> None:
    print(f"{about}\n")
    for name in results:
        print(f"- `{name}`: {titles[name]}")
    others = {name: jobs for name, jobs in results.items() if name != BASE}
    if BASE in results and others:
        for heading, field in _RATIOS.items():
            _table(heading, others, partial(_ratio, results, field=field))
    for heading, field in _VALUES.items():
        _table(heading, results, partial(_value, results, field=field))
    _table("p50 / p99 of a request, ms", results, partial(_latency, results))
    _noise(results)


def machine() -> str:
    """What it ran on."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    return f"{os.cpu_count()} cores ({model}), Python {platform.python_version()}, load {load}"


def _table(heading: str, results: Results, cell: Cell) -> None:
    jobs = list(next(iter(results.values())))
    print(f"\n| {heading} | {' | '.join(jobs)} |")
    print("|---" * (len(jobs) + 1) + "|")
    for name in results:
        print(f"| `{name}` | {' | '.join(cell(name, job) for job in jobs)} |")


def _values(results: Results, name: str, job: str, field: str) -> list[float]:
    return [getattr(run, field) for run in results[name][job]]


def _value(results: Results, name: str, job: str, *, field: str) -> str:
    return _spread(_values(results, name, job, field))


def _ratio(results: Results, name: str, job: str, *, field: str) -> str:
    """To the floor's of the same round."""
    ours, base = (_values(results, each, job, field) for each in (name, BASE))
    return _spread([one / other for one, other in zip(ours, base, strict=True)])


def _spread(values: Sequence[float]) -> str:
    """The median, with the smallest and the largest."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{_short(middle)} ({_short(low)}-{_short(high)})"


def _latency(results: Results, name: str, job: str) -> str:
    p50, p99 = (statistics.median(_values(results, name, job, f)) for f in ("p50", "p99"))
    return f"{p50:.1f} / {p99:.1f}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}" if value >= 10 else f"{value:.2f}"


def _noise(results: Results) -> None:
    shares = [run.others for jobs in results.values() for runs in jobs.values() for run in runs]
    middle, most = statistics.median(shares), max(shares)
    print(f"\nWhat else ran used {middle:.0%} of the machine by median, {most:.0%} at most.")
