"""Limits how often a token may send requests; each response says what is left.

The headers are those of draft-ietf-httpapi-ratelimit-headers.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import g

from app.api.kit import context
from app.db.errors import Unavailable
from app.domain.allowances import Allowance
from app.errors import RateLimited

if TYPE_CHECKING:
    from uuid import UUID

    from flask import Response

    from app.services.kit.rate_limits import RateLimiter

logger = logging.getLogger(__name__)

POLICY, LEFT = "RateLimit-Policy", "RateLimit"


@dataclass(frozen=True, slots=True)
class Limit:
    """The limit under which a request was counted: its name, its rate, and the allowance left."""

    name: str
    rate: int
    left: Allowance


def count_request(token_id: UUID) -> None:
    """Count a request of the token; raises RateLimited."""
    limiter = context.rate_limiter()
    try:
        left = limiter.take(token_id)
    except RateLimited as error:
        note_refusal("token", limiter.rate, error)
        raise
    if left is not None:
        g.limit = Limit("token", limiter.rate, left)


def note_refusal(name: str, rate: int, error: RateLimited) -> None:
    """The response names the limit under which the request was refused."""
    g.limit = Limit(name, rate, Allowance(0, error.wait))


def add_headers(response: Response) -> Response:
    """Name the limit in the headers. Once the response is sent, reconcile what was counted."""
    limit: Limit | None = g.get("limit")
    if limit is not None:
        response.headers[POLICY] = f'"{limit.name}";q={limit.rate};w=1'
        response.headers[LEFT] = f'"{limit.name}";r={limit.left.remaining};t={limit.left.reset}'
        limiter = context.rate_limiter()
        if limiter.is_due:
            response.call_on_close(lambda: _reconcile(limiter))
    return response


def _reconcile(limiter: RateLimiter) -> None:
    try:
        limiter.reconcile()
    except Unavailable as error:  # the counts are kept for the next time
        logger.warning("Rate limits were not reconciled: %s", error)
