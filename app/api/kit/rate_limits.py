"""How often a token or an address may ask; each answer says it.

The headers are those of draft-ietf-httpapi-ratelimit-headers.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import g

from app.api.kit import context
from app.db.errors import Unavailable
from app.domain.allowances import Allowance
from app.errors import RateLimited

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from uuid import UUID

    from flask import Response

    from app.services.kit.rate_limits import RateLimiter

logger = logging.getLogger(__name__)

POLICY, LEFT = "RateLimit-Policy", "RateLimit"


@dataclass(frozen=True, slots=True)
class Limit:
    """The limit that a request was counted under: its name, its rate, and what is left of it."""

    name: str
    rate: int
    left: Allowance


def spend(token_id: UUID) -> None:
    """Raises RateLimited."""
    limiter = context.rate_limiter()
    with _limit("token", limiter.rate):
        allowance = limiter.spend(token_id)
    if allowance is not None:
        g.limit = Limit("token", limiter.rate, allowance)


def wrong_tokens() -> AbstractContextManager[None]:
    """Around what may refuse an address for the wrong tokens that it has sent."""
    return _limit("wrong-token", context.authenticator().wrong_token_rate)


@contextmanager
def _limit(name: str, rate: int) -> Iterator[None]:
    try:
        yield
    except RateLimited as error:
        g.limit = Limit(name, rate, Allowance(0, error.wait))
        raise


def tell(response: Response) -> Response:
    """In the headers; what was counted is reconciled once the answer is out."""
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
    except Unavailable as error:  # what was counted is told the next time
        logger.warning("Rate limits were not reconciled: %s", error)
