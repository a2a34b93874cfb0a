from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ARRAY, Float, Uuid, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from app.models import RateLimit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta
    from uuid import UUID

    from sqlalchemy import Connection

_LIMITS = RateLimit.__table__
_NOW = func.clock_timestamp()
_GIVEN = (bindparam("tokens", type_=ARRAY(Uuid)), bindparam("counts", type_=ARRAY(Float)))
_SPENT = func.unnest(*_GIVEN).table_valued("token_id", "spent").render_derived()
# In the order of the keys, as everybody does: so nobody waits for each other.
_ADD = insert(_LIMITS).from_select(
    ["token_id", "spent", "updated_at"],
    select(_SPENT.c.token_id, _SPENT.c.spent, _NOW).order_by(_SPENT.c.token_id),
)
_PASSED = func.extract("epoch", _ADD.excluded.updated_at - _LIMITS.c.updated_at)
_LEAKED = bindparam("rate", type_=Float) * func.greatest(0, _PASSED)
_RECONCILE = _ADD.on_conflict_do_update(
    index_elements=[_LIMITS.c.token_id],
    set_={
        "spent": func.greatest(0, _LIMITS.c.spent - _LEAKED) + _ADD.excluded.spent,
        "updated_at": func.greatest(_LIMITS.c.updated_at, _ADD.excluded.updated_at),
    },
).returning(_LIMITS.c.token_id, _LIMITS.c.spent)
_REMOVE_UNUSED = delete(_LIMITS).where(_LIMITS.c.updated_at < _NOW - bindparam("unused_for"))


class RateLimitRepository:
    def reconcile(
        self, connection: Connection, spent: Mapping[UUID, int], *, rate: int
    ) -> dict[UUID, float]:
        """Add what was spent by token; returns what all have, of which `rate` leaks per second."""
        values = {"tokens": list(spent), "counts": list(spent.values()), "rate": rate}
        return {row.token_id: row.spent for row in connection.execute(_RECONCILE, values)}

    def remove_unused(self, connection: Connection, *, unused_for: timedelta) -> int:
        return connection.execute(_REMOVE_UNUSED, {"unused_for": unused_for}).rowcount
