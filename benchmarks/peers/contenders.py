"""The programs that are compared, and how each is started."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from app.settings import ROOT

_CONFIG = str(Path(__file__).parent / "gunicorn_conf.py")
_PEERS = str(ROOT / ".venv" / "peers" / "bin" / "python")


@dataclass(frozen=True)
class Contender:
    """`command` is what Python gets; `{port}` in it becomes the port to listen on.

    An ORM inserts a transaction and then its entries: `defers` puts off to COMMIT the trigger that
    wants both in one statement.
    """

    name: str
    title: str
    command: tuple[str, ...]
    python: str = _PEERS
    defers: bool = True


def _gunicorn(application: str) -> tuple[str, ...]:
    return ("-m", "gunicorn", "-c", _CONFIG, application)


FLOOR = Contender(
    "floor",
    "bare WSGI, psycopg2, orjson",
    _gunicorn("benchmarks.peers.floor.application:application"),
    sys.executable,
    defers=False,
)
CASELOAD = Contender(
    "caseload",
    "Caseload, as shipped",
    ("-m", "gunicorn", "wsgi:app"),
    sys.executable,
    defers=False,
)
SMOREST = Contender(
    "smorest",
    "Flask-SQLAlchemy and flask-smorest",
    _gunicorn("benchmarks.peers.smorest.application:app"),
)
DRF = Contender(
    "drf",
    "Django REST framework",
    _gunicorn("benchmarks.peers.drf.application:application"),
)
FAST = Contender(
    "fastapi",
    "FastAPI, SQLAlchemy's async ORM, asyncpg, uvicorn",
    (
        *("-m", "uvicorn", "benchmarks.peers.fast.application:app", "--port", "{port}"),
        *("--workers", "2", "--no-access-log", "--log-level", "warning"),
    ),
)
ADVANCED = Contender(
    "advanced",
    "Flask, advanced-alchemy, pydantic",
    _gunicorn("benchmarks.peers.advanced.application:app"),
)
CONTENDERS = {each.name: each for each in (FLOOR, CASELOAD, SMOREST, DRF, FAST, ADVANCED)}
