"""The programs that are compared, and how each is started."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
_CONFIG = str(HERE / "gunicorn_conf.py")


@dataclass(frozen=True)
class Contender:
    """`command` is what Python gets; `{port}` in it becomes the port to listen on."""

    name: str
    title: str
    command: tuple[str, ...]
    python: str = sys.executable


def _gunicorn(application: str) -> tuple[str, ...]:
    return ("-m", "gunicorn", "-c", _CONFIG, application)


FLOOR = Contender(
    "floor",
    "bare WSGI, psycopg2, orjson",
    _gunicorn("benchmarks.peers.floor.application:application"),
)
CASELOAD = Contender("caseload", "Caseload, as shipped", ("-m", "gunicorn", "wsgi:app"))
CONTENDERS = {each.name: each for each in (FLOOR, CASELOAD)}
