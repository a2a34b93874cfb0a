"""Tokens, and the users and agents that own them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import ColumnElement, and_, bindparam, exists, func, or_, select, update

from app.db import Repository, filters_on, sorts_on
from app.models import Agent, Token, User

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection, FromClause


_TOKENS, _USERS, _AGENTS = Token.__table__, User.__table__, Agent.__table__


def _active(owners: FromClause, key: ColumnElement[UUID | None]) -> ColumnElement[bool]:
    return and_(owners.c.id == key, owners.c.deleted_at.is_(None), owners.c.is_active)


# The agent of an inactive user is not active either.
_AGENTS_USERS = _USERS.alias("users_of_agents")
_USER_IS_ACTIVE = or_(
    _AGENTS.c.user_id.is_(None),
    exists().where(_active(_AGENTS_USERS, _AGENTS.c.user_id)),
)

_OWNER = (
    select(
        _TOKENS.c.id.label("token_id"),
        _TOKENS.c.last_used_at,
        _TOKENS.c.expires_at,
        _TOKENS.c.agent_id,
        func.coalesce(_USERS.c.id, _AGENTS.c.id).label("id"),
        func.coalesce(_USERS.c.name, _AGENTS.c.name).label("name"),
        _USERS.c.role,
    )
    .select_from(_TOKENS)
    .outerjoin(_USERS, _active(_USERS, _TOKENS.c.user_id))
    .outerjoin(_AGENTS, and_(_active(_AGENTS, _TOKENS.c.agent_id), _USER_IS_ACTIVE))
    .where(_TOKENS.c.token_hash == bindparam("token_hash"), _TOKENS.c.deleted_at.is_(None))
    .where(or_(_TOKENS.c.expires_at.is_(None), _TOKENS.c.expires_at > func.clock_timestamp()))
    .where(or_(_USERS.c.id.is_not(None), _AGENTS.c.id.is_not(None)))
)
_TOUCH = (
    update(_TOKENS)
    .where(_TOKENS.c.id == bindparam("token_id"))
    .values(last_used_at=func.clock_timestamp())
)
_REVOKE_ALL = (
    update(_TOKENS)
    .where(or_(_TOKENS.c.user_id == bindparam("owner"), _TOKENS.c.agent_id == bindparam("owner")))
    .where(_TOKENS.c.deleted_at.is_(None))
    .values(deleted_at=func.now())
    .returning(_TOKENS.c.id, _TOKENS.c.deleted_at)
)


class TokenOwner(NamedTuple):
    """A token, and the user or agent that owns it: `id` and `name` are the owner's."""

    token_id: UUID
    last_used_at: datetime | None
    expires_at: datetime | None
    agent_id: UUID | None  # None for a user's token
    id: UUID
    name: str
    role: str | None  # None for an agent's token


class TokenRepository(Repository[Token]):
    model = Token
    filters = filters_on(
        Token.user_id,
        Token.agent_id,
        Token.name,
        Token.expires_at,
        Token.last_used_at,
        Token.created_at,
    )
    sorts = sorts_on(Token.created_at, Token.name, Token.expires_at, Token.last_used_at)

    def owner(self, connection: Connection, token_hash: bytes) -> TokenOwner | None:
        """The active user or agent that owns the token; None for a revoked or expired one."""
        row = connection.execute(_OWNER, {"token_hash": token_hash}).one_or_none()
        return None if row is None else TokenOwner._make(row)

    def touch(self, connection: Connection, token_id: UUID) -> None:
        """Set the time at which the token was last used to now."""
        connection.execute(_TOUCH, {"token_id": token_id})

    def revoke_all(self, connection: Connection, owner_id: UUID) -> dict[UUID, datetime]:
        """Delete all live tokens of a user or agent; returns their `deleted_at` by id."""
        rows = connection.execute(_REVOKE_ALL, {"owner": owner_id})
        return {row.id: row.deleted_at for row in rows}
