"""How often a token may ask, told in every answer (draft-ietf-httpapi-ratelimit-headers)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from flask import g

from app.api import context
from app.domain.allowances import Allowance
from app.errors import RateLimited, Unavailable

if TYPE_CHECKING:
    from uuid import UUID

    from flask import Response

    from app.services import RateLimiter

logger = logging.getLogger(__name__)

POLICY, LEFT = "RateLimit-Policy", "RateLimit"


def spend(token_id: UUID) -> None:
    """Raises RateLimited."""
    try:
        g.allowance = context.rate_limiter().spend(token_id)
    except RateLimited as error:
        g.allowance = Allowance(0, error.wait)
        raise


def tell(response: Response) -> Response:
    """In the headers; what was counted is reconciled once the answer is out."""
    limiter = context.rate_limiter()
    allowance: Allowance | None = g.get("allowance")
    if allowance is not None:
        response.headers[POLICY] = f'"token";q={limiter.rate};w=1'
        response.headers[LEFT] = f'"token";r={allowance.remaining};t={allowance.reset}'
        if limiter.is_due:
            response.call_on_close(lambda: _reconcile(limiter))
    return response


def _reconcile(limiter: RateLimiter) -> None:
    try:
        limiter.reconcile()
    except Unavailable as error:  # what was counted is told the next time
        logger.warning("Rate limits were not reconciled: %s", error)
