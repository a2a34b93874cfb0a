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
_GIVEN = (
    bindparam("tokens", type_=ARRAY(Uuid)),
    bindparam("levels", type_=ARRAY(Float)),
    bindparam("counts", type_=ARRAY(Integer)),
)
_TOLD = func.unnest(*_GIVEN).table_valued("token_id", "level", "count").render_derived()
# In the order of the keys, as everybody does: so nobody waits for each other.
_ADD = insert(_LIMITS).from_select(
    ["token_id", "spent", "told", "updated_at"],
    select(_TOLD.c.token_id, _TOLD.c.level, _TOLD.c.count, _NOW).order_by(_TOLD.c.token_id),
)
_PASSED = func.extract("epoch", _ADD.excluded.updated_at - _LIMITS.c.updated_at)
_LEAKED = bindparam("rate", type_=Float) * func.greatest(0, _PASSED)
# What a bucket holds that was not empty: all that came in less all that leaked, but never less than
# what the new requests alone have left in an empty one.
_LEVEL = func.greatest(_ADD.excluded.spent, _LIMITS.c.spent + _ADD.excluded.told - _LEAKED)
_RECONCILE = _ADD.on_conflict_do_update(
    index_elements=[_LIMITS.c.token_id],
    set_={
        "spent": _LEVEL,
        "told": _ADD.excluded.told,
        "updated_at": func.greatest(_LIMITS.c.updated_at, _ADD.excluded.updated_at),
    },
).returning(_LIMITS.c.token_id, _LIMITS.c.spent)
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
        self, connection: Connection, told: Mapping[UUID, LeakyBucket], *, rate: int
    ) -> dict[UUID, float]:
        """Add what came to each token's bucket; returns what all have, of which `rate` leaks."""
        buckets = told.values()
        values = {
            "tokens": list(told),
            "levels": [bucket.spent for bucket in buckets],
            "counts": [bucket.count for bucket in buckets],
            "rate": rate,
        }
        return {row.token_id: row.spent for row in connection.execute(_RECONCILE, values)}

    def remove_unused(self, connection: Connection, *, unused_for: timedelta, at_most: int) -> int:
        bound = {"unused_for": unused_for, "at_most": at_most}
        return connection.execute(_REMOVE_UNUSED, bound).rowcount
