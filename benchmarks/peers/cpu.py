"""CPU time of processes, in seconds, as Linux counts it: in ticks of a hundredth of a second."""

from __future__ import annotations

import os
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2

if TYPE_CHECKING:
    from collections.abc import Iterable

_TICKS = os.sysconf("SC_CLK_TCK")
_BACKENDS = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend'
    AND pid <> pg_backend_pid()
"""


@dataclass(frozen=True)
class Times:
    """CPU until now, by process: of a program, and of PostgreSQL's backends that serve it."""

    program: dict[int, float]
    backends: dict[int, float]
    machine: float  # of all processes

    def since(self, before: Times) -> tuple[float, float, float]:
        """What the program, its backends and the whole machine have used in between."""
        return (
            _grown(before.program, self.program),
            _grown(before.backends, self.backends),
            self.machine - before.machine,
        )


def times(pid: int, url: str) -> Times:
    """Of the processes at and below `pid`, and of the backends of the database."""
    return Times(_of(_tree(pid)), _of(backends(url)), _machine())


def backends(url: str) -> list[int]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(_BACKENDS)
        return [pid for (pid,) in cursor.fetchall()]


def _grown(before: dict[int, float], after: dict[int, float]) -> float:
    """A process that began in between counts whole; one that ended has taken its count along."""
    return sum(spent - before.get(pid, 0.0) for pid, spent in after.items())


def _tree(pid: int) -> list[int]:
    found = [pid]
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += _tree(int(child))
    return found


def _of(pids: Iterable[int]) -> dict[int, float]:
    spent = {}
    for pid in pids:
        with suppress(OSError):  # it has ended
            # The name, in parentheses, may contain spaces.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            spent[pid] = (int(fields[11]) + int(fields[12])) / _TICKS
    return spent


def _machine() -> float:
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    user, nice, system, _, _, interrupts, soft_interrupts, *_ = map(int, fields)
    return (user + nice + system + interrupts + soft_interrupts) / _TICKS
