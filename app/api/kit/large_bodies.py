"""A process works on one large body at a time: 8 MiB take about 70 MiB until they are stored."""

from __future__ import annotations

import threading

from app.api.kit.context import request_data, settings
from app.db.errors import PoolExhausted

_turn = threading.BoundedSemaphore()


def wait_for_turn() -> None:
    """Once the body is read and no unit of work is open; the turn ends with the request.

    Raises PoolExhausted after the longest wait for a lock.
    """
    if not _turn.acquire(timeout=settings().lock_timeout):
        raise PoolExhausted("The service is working on other large bodies. Try again later.")
    request_data().has_turn = True


def end_turn(_: BaseException | None = None) -> None:
    data = request_data()
    if data.has_turn:
        data.has_turn = False
        _turn.release()
