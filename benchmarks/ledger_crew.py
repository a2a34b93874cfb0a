"""Processes that move money for some seconds."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.ledger_ways import WAYS
from benchmarks.processes import obey

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from uuid import UUID

    from benchmarks.ledger_ways import Way


@dataclass(frozen=True)
class Order:
    """With `hot` all is paid by that one."""

    keys: list[UUID]
    hot: UUID | None
    seconds: float


def serve(urls: dict[str, str], pipe: Connection) -> None:
    obey(pipe, {way.name: way(urls) for way in WAYS}, _work)


def _work(way: Way, order: Order) -> int:
    transfers, end = 0, time.monotonic() + order.seconds
    while time.monotonic() < end:
        source, target = random.sample(order.keys, 2)
        if order.hot == target:
            continue
        way.transfer(order.hot or source, target)
        transfers += 1
    way.backend()  # what it has counted is seen by `ledger_waits`
    return transfers
