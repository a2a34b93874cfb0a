"""The table of tokens."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.db import DeletableResource
from app.db.marks import BOOKKEEPING, OWNED, SECRET
from app.models.base import CHANGED


class Token(DeletableResource):
    """A secret by which a user or agent authenticates. Only its SHA-256 is stored.

    Deleting the row revokes the token.
    """

    __tablename__ = "tokens"

    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"), info={OWNED: True})
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id"), info={OWNED: True})
    name: Mapped[str]
    token_hash: Mapped[bytes] = mapped_column(info={SECRET: True})
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None] = mapped_column(info={BOOKKEEPING: True})

    __table_args__ = (
        CheckConstraint("num_nonnulls(user_id, agent_id) = 1", name="owner"),
        CheckConstraint("char_length(name) BETWEEN 1 AND 200", name="name"),
        CheckConstraint("octet_length(token_hash) = 32", name="token_hash"),
        {"info": {CHANGED: ("last_used_at", "deleted_at")}},
    )


# On deleted rows too: a revoked token is never issued again.
Index("uq_tokens_token_hash", Token.token_hash, unique=True)
Index("ix_tokens_user_id", Token.user_id)
Index("ix_tokens_agent_id", Token.agent_id)
Index("ix_tokens_created_at", Token.created_at, Token.id)
