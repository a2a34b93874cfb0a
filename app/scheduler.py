"""Runs the jobs beside the requests, so that nobody has to set anything up for them."""

from __future__ import annotations

import logging
import random
import threading
from typing import TYPE_CHECKING

from app.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)


def run_regularly(job: Callable[[], object], *, every: float) -> threading.Thread | None:
    """Run `job` about every so many seconds, in a thread that ends with the process; 0: never.

    A database that is away is told once, not each time.
    """
    if not every:
        return None

    def run() -> None:
        away = False
        while True:
            # Apart from each other, so that not all processes do it at once.
            threading.Event().wait(random.uniform(0.5, 1.5) * every)  # noqa: S311 - no secret
            try:
                job()
                away = False
            except Unavailable as error:
                if not away:
                    logger.warning("The jobs wait for the database: %s", error)
                away = True
            except Exception:
                logger.exception("A job failed.")

    thread = threading.Thread(target=run, name="jobs", daemon=True)
    thread.start()
    return thread
