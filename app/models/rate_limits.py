"""The table of rate limits."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.models.base import CHANGED, REMOVED


class RateLimit(Base):
    """The level of a token's leaky bucket, over all processes, in requests.

    `level` is that at `updated_at`; `reported` is the number of requests that the last process
    added. The table is unlogged: a crash empties it, and a COMMIT of it waits for no disk.
    """

    __tablename__ = "rate_limits"

    token_id: Mapped[UUID] = mapped_column(primary_key=True)
    level: Mapped[float] = mapped_column("spent", key="level")
    reported: Mapped[int] = mapped_column("told", key="reported")
    updated_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("spent >= 0 AND spent < 'Infinity'", name="spent"),
        {
            "prefixes": ["UNLOGGED"],
            "info": {CHANGED: ("spent", "told", "updated_at"), REMOVED: True},
        },
    )
