"""Agents, and the locks under which they are given work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, exists, func, or_, select, update

from app.db import Prepared, Repository, filters_on, sorts_on
from app.models import Agent, User

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from sqlalchemy import Connection, Select

    from app.db import Record

_AGENTS, _USERS = Agent.__table__, User.__table__

# UserService deactivates the agent with the user. Older versions and plain SQL did not.
_USER_IS_ACTIVE = or_(
    _AGENTS.c.user_id.is_(None),
    exists().where(_USERS.c.id == _AGENTS.c.user_id, _USERS.c.is_active),
)
_LOCKED_AGENTS: Select[*tuple[object, ...]] = (
    select(
        *(column for column in _AGENTS.c if column.key != "is_active"),
        (_AGENTS.c.is_active & _USER_IS_ACTIVE).label("is_active"),
    )
    .where(_AGENTS.c.deleted_at.is_(None))
    .with_for_update(read=True)
)
_AMONG = Prepared(
    _LOCKED_AGENTS.where(_AGENTS.c.id.in_(bindparam("keys", expanding=True))).order_by(_AGENTS.c.id)
)
_BY_ID = Prepared(_LOCKED_AGENTS.where(_AGENTS.c.id == bindparam("key")))
_BY_USER = Prepared(_LOCKED_AGENTS.where(_AGENTS.c.user_id == bindparam("key")))
_KINDS = select(_AGENTS.c.id, _AGENTS.c.kind).where(
    _AGENTS.c.id.in_(bindparam("keys", expanding=True))
)
_of_users = (
    select(_AGENTS.c.id)
    .where(
        _AGENTS.c.user_id.in_(bindparam("users", expanding=True)),
        _AGENTS.c.is_active,
        _AGENTS.c.deleted_at.is_(None),
    )
    .order_by(_AGENTS.c.id)
    .with_for_update(key_share=True)
    .cte("of_users")
)
_DEACTIVATE = (
    update(_AGENTS)
    .where(_AGENTS.c.id == _of_users.c.id)
    .values(is_active=False)
    .returning(_AGENTS.c.id)
)
_TOUCH = (
    update(_AGENTS)
    .where(_AGENTS.c.id == bindparam("key"))
    .values(last_seen_at=func.clock_timestamp())
)


class AgentRepository(Repository[Agent]):
    model = Agent
    filters = filters_on(
        Agent.name,
        Agent.kind,
        Agent.user_id,
        Agent.queues,
        Agent.is_active,
        Agent.last_seen_at,
        Agent.created_at,
        Agent.updated_at,
    )
    sorts = sorts_on(Agent.created_at, Agent.updated_at, Agent.name, Agent.last_seen_at)
    searched = Agent.name.expression

    def at_work(self, connection: Connection, key: UUID) -> Record | None:
        """The live agent's row, locked FOR SHARE: nobody deactivates it before the unit ends.

        `is_active` is also false where its user is inactive. None for an unknown or deleted id.
        """
        return _BY_ID.record(connection, {"key": key})

    def at_work_among(self, connection: Connection, keys: Collection[UUID]) -> dict[UUID, Record]:
        """The live agents among these by id, as by `at_work`; locked in the order of their ids."""
        found = _AMONG.records(connection, {"keys": list(keys)})
        return {agent["id"]: agent for agent in found}

    def of_user(self, connection: Connection, user_id: UUID) -> Record | None:
        """The live agent of this user, as by `at_work`."""
        return _BY_USER.record(connection, {"key": user_id})

    def deactivate_of_users(self, connection: Connection, users: Collection[UUID]) -> list[UUID]:
        """Deactivate the active agents of these users, locked in the order of their ids.

        Returns the ids of these agents.
        """
        return list(connection.execute(_DEACTIVATE, {"users": list(users)}).scalars())

    def kinds(self, connection: Connection, keys: Collection[UUID]) -> dict[UUID, str]:
        """The AgentKind of each agent by its id, of deleted agents too."""
        return {row.id: row.kind for row in connection.execute(_KINDS, {"keys": list(keys)})}

    def touch(self, connection: Connection, key: UUID) -> None:
        """Set the time at which the agent was last seen to now."""
        connection.execute(_TOUCH, {"key": key})
