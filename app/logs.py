"""Log lines of a serving process: time, level, request, logger, message."""

from __future__ import annotations

import logging
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="-")
"""The id of the request that this thread answers; `-` between two requests."""

_FORMAT = "%(asctime)s %(levelname)s [%(request_id)s] %(name)s: %(message)s"


class RequestIds(logging.Filter):
    """Adds to each record the id of the request in which it was logged."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True


def log_to_stderr() -> None:
    """Write all logs of this process to stderr, each line with the id of its request."""
    handler = logging.StreamHandler()
    handler.addFilter(RequestIds())
    handler.setFormatter(logging.Formatter(_FORMAT))
    logging.getLogger().addHandler(handler)
