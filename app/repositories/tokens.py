from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, or_, select, update

from app.models import Token, User
from app.repositories.base import Repository
from app.repositories.criteria import filters_on
from app.repositories.pages import sorts_on

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Connection

    from app.repositories.reading import Record

_TOKENS, _USERS = Token.__table__, User.__table__

_OWNER = (
    select(
        _TOKENS.c.id.label("token_id"),
        _TOKENS.c.last_used_at,
        _TOKENS.c.expires_at,
        _USERS.c.id,
        _USERS.c.name,
        _USERS.c.role,
    )
    .join_from(_TOKENS, _USERS, _TOKENS.c.user_id == _USERS.c.id)
    .where(_TOKENS.c.token_hash == bindparam("token_hash"), _TOKENS.c.deleted_at.is_(None))
    .where(or_(_TOKENS.c.expires_at.is_(None), _TOKENS.c.expires_at > func.clock_timestamp()))
    .where(_USERS.c.deleted_at.is_(None), _USERS.c.is_active)
)
_TOUCH = (
    update(_TOKENS)
    .where(_TOKENS.c.id == bindparam("token_id"))
    .values(last_used_at=func.clock_timestamp())
)
_REVOKE_ALL = (
    update(_TOKENS)
    .where(_TOKENS.c.user_id == bindparam("owner"), _TOKENS.c.deleted_at.is_(None))
    .values(deleted_at=func.now())
    .returning(_TOKENS.c.id, _TOKENS.c.deleted_at)
)


class TokenRepository(Repository[Token]):
    model = Token
    filters = filters_on(
        Token.user_id, Token.name, Token.expires_at, Token.last_used_at, Token.created_at
    )
    sorts = sorts_on(Token.created_at, Token.name, Token.expires_at, Token.last_used_at)

    def owner(self, connection: Connection, token_hash: bytes) -> Any | None:
        """The active user whose token this is; a token that is revoked or expired has none."""
        return connection.execute(_OWNER, {"token_hash": token_hash}).one_or_none()

    def touch(self, connection: Connection, token_id: UUID) -> None:
        connection.execute(_TOUCH, {"token_id": token_id})

    def revoke_all(self, connection: Connection, user_id: UUID) -> list[Record]:
        """Delete all live tokens of a user; returns them."""
        return [row._asdict() for row in connection.execute(_REVOKE_ALL, {"owner": user_id})]
