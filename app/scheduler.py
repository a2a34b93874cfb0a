"""Runs the jobs in the service's own processes, so that nobody has to set anything up for them."""

from __future__ import annotations

import logging
import random
import threading
import time
from typing import TYPE_CHECKING

from app.db.errors import Unavailable
from app.services.jobs import DATABASE_AWAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.services.jobs import JobsReport

logger = logging.getLogger(__name__)

_REPEATED_AFTER = 60.0
"""Seconds after which a failure that goes on is logged again."""


def run_regularly(run_due: Callable[[], JobsReport], *, every: float) -> threading.Thread | None:
    """Run the jobs about every so many seconds, in a thread of this process; 0: never."""
    if not every:
        return None

    def run() -> None:
        log = JobLog()
        while True:
            # A random pause, so that not all processes look at once.
            threading.Event().wait(random.uniform(0.5, 1.5) * every)  # noqa: S311 - no secret
            log.run(run_due)

    thread = threading.Thread(target=run, name="jobs", daemon=True)
    thread.start()
    return thread


class JobLog:
    """Logs what fails: once that the database is away, and each job's failure once a minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._is_away = False
        self._logged_at: dict[tuple[str, type[Exception]], float] = {}

    def run(self, run_due: Callable[[], JobsReport]) -> None:
        try:
            report = run_due()
        except DATABASE_AWAY as error:
            self._log_away(error)
        except Exception:
            logger.exception("The jobs failed.")
        else:
            self._is_away = False
            for name, failure in report.failed.items():
                self._log_failure(name, failure)

    def _log_away(self, error: Unavailable) -> None:
        if not self._is_away:
            logger.warning("The jobs wait for the database: %s", error)
        self._is_away = True

    def _log_failure(self, job: str, error: Exception) -> None:
        key, now = (job, type(error)), self._clock()
        if now - self._logged_at.get(key, -_REPEATED_AFTER) < _REPEATED_AFTER:
            return
        self._logged_at[key] = now
        # An expected error says it all by its message; any other one needs its traceback.
        trace = None if isinstance(error, Unavailable) else error
        logger.error("The job '%s' failed: %r", job, error, exc_info=trace)
