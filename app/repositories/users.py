"""Users, and their deactivation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select, update

from app.db import Repository, filters_on, sorts_on
from app.models import User

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from sqlalchemy import Connection


class UserRepository(Repository[User]):
    model = User
    filters = filters_on(
        User.email,
        User.name,
        User.role,
        User.is_active,
        User.created_at,
        User.updated_at,
        fold=("email",),
    )
    sorts = sorts_on(User.created_at, User.updated_at, User.name, User.email)
    searched = User.name + " " + User.email

    def deactivate(self, connection: Connection, keys: Collection[UUID]) -> dict[UUID, bool]:
        """Deactivate the live users with these ids, locked in the order of their ids.

        Returns by the id of each live user whether it was active until now.
        """
        rows = connection.execute(_DEACTIVATE, {"keys": list(keys)})
        return {row.id: row.was_active for row in rows}


# One statement locks and reads, then changes: RETURNING alone has only the new values.
_USERS = User.__table__
_TARGET = (
    select(_USERS.c.id, _USERS.c.is_active.label("was_active"))
    .where(_USERS.c.id.in_(bindparam("keys", expanding=True)), _USERS.c.deleted_at.is_(None))
    .order_by(_USERS.c.id)
    .with_for_update(key_share=True)
    .cte("target")
)
_CHANGED = (
    update(_USERS)
    .where(_USERS.c.id == _TARGET.c.id, _TARGET.c.was_active)
    .values(is_active=False)
    .returning(_USERS.c.id)
    .cte("changed")
)
_DEACTIVATE = select(_TARGET.c.id, _TARGET.c.was_active).add_cte(_CHANGED)
