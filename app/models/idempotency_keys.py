"""The table of idempotency keys."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, Index, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.db.marks import SECRET
from app.models.base import CHANGED, REMOVED


class IdempotencyKey(Base):
    """A request with an Idempotency-Key, and its sealed response. Only the hash of the key is kept.

    The row is written in the unit of work of the request: it and the effects commit together.
    """

    __tablename__ = "idempotency_keys"

    actor_id: Mapped[UUID] = mapped_column(primary_key=True)
    key_hash: Mapped[bytes] = mapped_column(primary_key=True)
    request_hash: Mapped[bytes]
    answer: Mapped[bytes | None]  # None after an erasure
    objects: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), server_default="{}")
    expires_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("octet_length(key_hash) = 32", name="key_hash"),
        CheckConstraint("octet_length(request_hash) = 32", name="request_hash"),
        {
            "info": {
                CHANGED: ("request_hash", "answer", "objects", "expires_at"),
                REMOVED: True,
                SECRET: True,
            }
        },
    )


Index("ix_idempotency_keys_expires_at", IdempotencyKey.expires_at)
# For erasures. PostgreSQL merges pending entries into a GIN index in bulk: the low limit, in
# kilobytes, spreads that work over many POSTs instead of delaying one.
Index(
    "ix_idempotency_keys_objects",
    IdempotencyKey.objects,
    postgresql_using="gin",
    postgresql_with={"gin_pending_list_limit": 256},
)
