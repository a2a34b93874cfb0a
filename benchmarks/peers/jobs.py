"""The jobs: which requests each consists of, and how many are sent at a time."""

from __future__ import annotations

import json
import random
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.peers.client import Client
from benchmarks.peers.seed import QUEUE

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.peers.seed import Seed
    from benchmarks.peers.servers import Served

    Lines = Callable[[Served, Seed], list[str]]

BULK = 1000
_PAGES = 20
_PAGE_SIZE = 50
_TRANSFERS = 500


@dataclass(frozen=True)
class Sent:
    """What came of a load: `jobs` were done, `answered` of them in these seconds."""

    jobs: float
    answered: float
    seconds: float
    failed: int
    p50: float  # milliseconds, of a request
    p99: float


@dataclass(frozen=True)
class Job:
    """`lines` are the requests, as the script of wrk reads them; None: `whole` sends them.

    A run takes `longer` times as long. The threads of wrk share the connections.
    """

    lines: Lines
    script: str | None = "load.lua"
    threads: int = 2
    connections: int = 8
    longer: int = 1


def _get(_: Served, seed: Seed) -> list[str]:
    keys = random.Random(1).sample(seed.customers, min(2000, len(seed.customers)))  # noqa: S311 - no secret
    return [_line("GET", f"/v1/customers/{key}") for key in keys]


def _page(served: Served, seed: Seed) -> list[str]:
    """A contender's own cursors, each of which leads to a whole page."""
    lines, path = [], f"/v1/customers?limit={_PAGE_SIZE}"
    with closing(Client(served.port, seed.staff)) as client:
        for _ in range(_PAGES):
            cursor = client.get(path).body["next_cursor"]
            path = f"/v1/customers?limit={_PAGE_SIZE}&cursor={cursor}"
            lines.append(_line("GET", path))
    return lines


def _create(_: Served, __: Seed) -> list[str]:
    return [_line("POST", "/v1/customers", _customer("~", 1))]


def _bulk(_: Served, __: Seed) -> list[str]:
    items = [_customer(f"~-{number}", number) for number in range(BULK)]
    return [_line("POST", "/v1/customers/bulk", {"items": items})]


def _customer(reference: str, number: int) -> dict[str, Any]:
    return {
        "reference": reference,
        "name": f"Ann Harbour {number}",
        "email": f"{reference}@new.example",
        "phone": "+44 20 7946 0000",
        "attributes": {"tier": number % 5, "source": "load"},
    }


def _transfer(_: Served, seed: Seed) -> list[str]:
    chance = random.Random(2)  # noqa: S311 - no secret
    pairs = [chance.sample(seed.accounts, 2) for _ in range(_TRANSFERS)]
    return [_line("POST", "/v1/transactions", transfer(*pair)) for pair in pairs]


def transfer(giving: str, taking: str, amount: str = "1.25") -> dict[str, Any]:
    entries = [
        {"account_id": account, "amount": {"amount": text, "currency": "GBP"}}
        for account, text in ((giving, f"-{amount}"), (taking, amount))
    ]
    return {"kind": "transfer", "description": "Rent", "entries": entries}


def _task(_: Served, __: Seed) -> list[str]:
    body = {"kind": "reply", "queue": QUEUE, "input": {"conversation": 17, "tone": "warm"}}
    return [json.dumps(body)]


def _line(method: str, path: str, body: object = None) -> str:
    return f"{method}\t{path}\t{'' if body is None else json.dumps(body)}"


JOBS = {
    "get": Job(_get),
    "page": Job(_page),
    "create": Job(_create),
    "transfer": Job(_transfer),
    "bulk": Job(_bulk, None, connections=2, longer=2),
    "task": Job(_task, "task.lua", threads=8),
}
