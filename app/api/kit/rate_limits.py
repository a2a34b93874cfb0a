"""Limits how often a token may send requests; each response says what is left.

The headers are those of draft-ietf-httpapi-ratelimit-headers.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from app.api.kit import context
from app.db.errors import Unavailable
from app.errors import RateLimited

if TYPE_CHECKING:
    from uuid import UUID

    from flask import Response

    from app.api.kit.context import RequestData
    from app.api.kit.json_response import Field
    from app.services.kit.rate_limits import RateLimiter

logger = logging.getLogger(__name__)

POLICY, LEFT = "RateLimit-Policy", "RateLimit"


def count_request(data: RequestData, token_id: UUID) -> None:
    """Count a request of the token; raises RateLimited."""
    limiter = context.rate_limiter()
    try:
        left = limiter.take(token_id)
    except RateLimited as error:
        note_refusal(data, "token", limiter.rate, error)
        raise
    if left is not None:
        data.limit_headers = _headers("token", limiter.rate, left.remaining, left.reset)


def note_refusal(data: RequestData, name: str, rate: int, error: RateLimited) -> None:
    """The response names the limit under which the request was refused."""
    data.limit_headers = _headers(name, rate, 0, error.wait)


def _headers(name: str, rate: int, left: int, reset: int) -> tuple[Field, ...]:
    return (POLICY, f'"{name}";q={rate};w=1'), (LEFT, f'"{name}";r={left};t={reset}')


def reconcile_after(response: Response) -> None:
    """Once the response is sent, reconcile what was counted, if a second has passed."""
    limiter = context.rate_limiter()
    if limiter.is_due:
        response.call_on_close(lambda: _reconcile(limiter))


def _reconcile(limiter: RateLimiter) -> None:
    try:
        limiter.reconcile()
    except Unavailable as error:  # the counts are kept for the next time
        logger.warning("Rate limits were not reconciled: %s", error)
