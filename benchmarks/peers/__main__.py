"""Caseload next to programs of other frameworks that give the same answers, over HTTP.

    python -m benchmarks.peers [--rounds 5] [--seconds 2] [--jobs get,page] [--contenders a,b]

Each contender is served on a database of its own, a copy of the same one, on one throw-away
PostgreSQL with the settings that Caseload's own server has. They are checked against each other
first. Each round runs every job on every contender, in an order that changes from round to round;
round 0 warms up and is not counted. Needs wrk, and the packages of requirements.txt in .venv/peers.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from app.administration import EMBEDDED, MIGRATIONS
from app.embedded import EmbeddedServer
from benchmarks.peers import report
from benchmarks.peers.check import differences
from benchmarks.peers.contenders import CONTENDERS
from benchmarks.peers.jobs import JOBS
from benchmarks.peers.load import Run, run
from benchmarks.peers.seed import fill, tidy
from benchmarks.peers.servers import served

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from benchmarks.peers.contenders import Contender
    from benchmarks.peers.seed import Seed
    from benchmarks.peers.servers import Served

_CUSTOMERS = 20_000


def main() -> int:
    """0 where all give the same answers."""
    given = _arguments()
    contenders = [CONTENDERS[name] for name in given.contenders]
    if (missing := _missing(contenders)) is not None:
        print(missing)
        return 2
    with tempfile.TemporaryDirectory(prefix="caseload-peers-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # so that PostgreSQL's account, if root needs one, gets there
        server = EmbeddedServer(folder / "data", EMBEDDED, prepare=MIGRATIONS.upgrade)
        try:
            seed = fill(server.url(), _CUSTOMERS)
            with served(contenders, server.url(), seed, folder) as all_served:
                return _compare(all_served, seed, given)
        finally:
            server.release()


def _missing(contenders: Iterable[Contender]) -> str | None:
    """What has to be installed first."""
    if shutil.which("wrk") is None:
        return "wrk puts the load on: install it, for example with `apt-get install wrk`."
    if not all(Path(each.python).exists() for each in contenders):
        return "The frameworks are not installed: `make .venv/peers.stamp` installs them."
    return None


def _compare(contenders: list[Served], seed: Seed, given: argparse.Namespace) -> int:
    found = differences(contenders, seed)
    if found:
        print("They do not give the same answers:", *found, sep="\n")
        return 1
    about = report.machine()
    results = _measured(contenders, seed, given)
    titles = {each.contender.name: each.contender.title for each in contenders}
    report.show(results, titles, f"{about}; {given.rounds} rounds of {given.seconds} s.")
    return 0


def _measured(contenders: list[Served], seed: Seed, given: argparse.Namespace) -> report.Results:
    results: report.Results = {
        each.contender.name: {job: [] for job in given.jobs} for each in contenders
    }
    for number in range(given.rounds + 1):
        if number == 1:
            for each in contenders:
                tidy(each.url)
        for place, job in enumerate(given.jobs):
            for each in _rotated(contenders, number + place):
                seconds = given.seconds if number else 1
                measured = run(each, seed, JOBS[job], seconds)
                _show(number, job, each, measured)
                if number:
                    results[each.contender.name][job].append(measured)
    return results


def _rotated(contenders: list[Served], by: int) -> Iterable[Served]:
    by %= len(contenders)
    return [*contenders[by:], *contenders[:by]]


def _show(number: int, job: str, served: Served, run: Run) -> None:
    line = f"round {number}: {job}, {served.contender.name}: {run.program:,.0f} us"
    print(line, file=sys.stderr)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--jobs", type=_names(JOBS), default=list(JOBS))
    parser.add_argument("--contenders", type=_names(CONTENDERS), default=list(CONTENDERS))
    return parser.parse_args()


def _names(known: Collection[str]) -> Callable[[str], list[str]]:
    """Reads names with commas in between, each of which is known."""

    def read(text: str) -> list[str]:
        names = text.split(",")
        if wrong := [name for name in names if name not in known]:
            message = f"{', '.join(wrong)}: known are {', '.join(known)}."
            raise argparse.ArgumentTypeError(message)
        return names

    return read


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
