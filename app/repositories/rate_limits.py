"""The leaky buckets of tokens, over all processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ARRAY, Float, Integer, Uuid, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from app.models import RateLimit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta
    from uuid import UUID

    from sqlalchemy import Connection

    from app.domain.allowances import LeakyBucket

_LIMITS = RateLimit.__table__
_NOW = func.clock_timestamp()
_PARAMETERS = (
    bindparam("tokens", type_=ARRAY(Uuid)),
    bindparam("levels", type_=ARRAY(Float)),
    bindparam("counts", type_=ARRAY(Integer)),
)
_REPORTED = func.unnest(*_PARAMETERS).table_valued("token_id", "level", "count").render_derived()
# In the order of the keys, so that two processes never wait for each other.
_ADD = insert(_LIMITS).from_select(
    ["token_id", "level", "reported", "updated_at"],
    select(_REPORTED.c.token_id, _REPORTED.c.level, _REPORTED.c.count, _NOW).order_by(
        _REPORTED.c.token_id
    ),
)
_PASSED = func.extract("epoch", _ADD.excluded.updated_at - _LIMITS.c.updated_at)
_LEAKED = bindparam("rate", type_=Float) * func.greatest(0, _PASSED)
# New level = max(level that the new requests leave in an empty bucket,
#                 old level + new requests - leaked since).
_LEVEL = func.greatest(_ADD.excluded.level, _LIMITS.c.level + _ADD.excluded.reported - _LEAKED)
_RECONCILE = _ADD.on_conflict_do_update(
    index_elements=[_LIMITS.c.token_id],
    set_={
        "level": _LEVEL,
        "reported": _ADD.excluded.reported,
        "updated_at": func.greatest(_LIMITS.c.updated_at, _ADD.excluded.updated_at),
    },
).returning(_LIMITS.c.token_id, _LIMITS.c.level)
_UNUSED = (
    select(_LIMITS.c.token_id)
    .where(_LIMITS.c.updated_at < _NOW - bindparam("unused_for"))
    .order_by(_LIMITS.c.token_id)
    .limit(bindparam("at_most"))
    .with_for_update(skip_locked=True)
)
_REMOVE_UNUSED = delete(_LIMITS).where(_LIMITS.c.token_id.in_(_UNUSED))


class RateLimitRepository:
    def reconcile(
        self, connection: Connection, new: Mapping[UUID, LeakyBucket], *, rate: int
    ) -> dict[UUID, float]:
        """Add the new requests, by token, that one process has counted in empty buckets.

        `rate` requests leak per second. Returns the level of each token's bucket over all
        processes.
        """
        buckets = new.values()
        values = {
            "tokens": list(new),
            "levels": [bucket.level for bucket in buckets],
            "counts": [bucket.count for bucket in buckets],
            "rate": rate,
        }
        return {row.token_id: row.level for row in connection.execute(_RECONCILE, values)}

    def remove_unused(self, connection: Connection, *, unused_for: timedelta, at_most: int) -> int:
        """Delete up to `at_most` buckets that nobody has used for that time; returns how many."""
        bound = {"unused_for": unused_for, "at_most": at_most}
        return connection.execute(_REMOVE_UNUSED, bound).rowcount
