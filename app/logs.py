"""Log lines of a serving process: when, how bad, in which request, from where."""

from __future__ import annotations

import logging
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="-")
"""Of the request that this thread answers; `-` between two requests."""

_FORMAT = "%(asctime)s %(levelname)s [%(request_id)s] %(name)s: %(message)s"


class RequestIds(logging.Filter):
    """Gives each record that passes a handler the id of the request it was logged in."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True


def log_to_stderr() -> None:
    """What this process logs, libraries included, goes to stderr, each record under its request."""
    handler = logging.StreamHandler()
    handler.addFilter(RequestIds())
    handler.setFormatter(logging.Formatter(_FORMAT))
    logging.getLogger().addHandler(handler)
