"""Runs the jobs in a thread of each process of the service."""

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
    """Run the jobs about every `every` seconds in a thread of this process; 0 is never."""
    if not every:
        return None

    def run() -> None:
        log = JobLog()
        while True:
            # A random pause, so that not all processes run the jobs at the same moment.
            threading.Event().wait(random.uniform(0.5, 1.5) * every)  # noqa: S311 - no secret
            log.run(run_due)

    thread = threading.Thread(target=run, name="jobs", daemon=True)
    thread.start()
    return thread


class JobLog:
    """Logs the failures of jobs: an unreachable database once, any other failure once a minute."""

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
        # The message of an expected error is enough; any other error needs its traceback.
        trace = None if isinstance(error, Unavailable) else error
        logger.error("The job '%s' failed: %r", job, error, exc_info=trace)
