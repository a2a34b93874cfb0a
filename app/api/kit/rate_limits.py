"""Limits how often a token may send requests; each response says what is left.

The headers are those of draft-ietf-httpapi-ratelimit-headers.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.api.kit import context
from app.db.errors import Unavailable
from app.domain.allowances import Allowance
from app.errors import RateLimited

if TYPE_CHECKING:
    from uuid import UUID

    from flask import Response

    from app.api.kit.context import RequestData
    from app.services.kit.rate_limits import RateLimiter

logger = logging.getLogger(__name__)

POLICY, LEFT = "RateLimit-Policy", "RateLimit"


@dataclass(frozen=True, slots=True)
class Limit:
    """The limit under which a request was counted: its name, its rate, and the allowance left."""

    name: str
    rate: int
    left: Allowance


def count_request(data: RequestData, token_id: UUID) -> None:
    """Count a request of the token; raises RateLimited."""
    limiter = context.rate_limiter()
    try:
        left = limiter.take(token_id)
    except RateLimited as error:
        note_refusal(data, "token", limiter.rate, error)
        raise
    if left is not None:
        data.limit = Limit("token", limiter.rate, left)


def note_refusal(data: RequestData, name: str, rate: int, error: RateLimited) -> None:
    """The response names the limit under which the request was refused."""
    data.limit = Limit(name, rate, Allowance(0, error.wait))


def headers_of(limit: Limit) -> tuple[tuple[str, str], tuple[str, str]]:
    """The headers that name the limit under which a request was counted or refused."""
    left = limit.left
    return (
        (POLICY, f'"{limit.name}";q={limit.rate};w=1'),
        (LEFT, f'"{limit.name}";r={left.remaining};t={left.reset}'),
    )


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
