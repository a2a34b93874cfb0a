from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.models.base import CHANGED, REMOVED


class RateLimit(Base):
    """What a token has spent of its rate, over all processes, and has not leaked away since.

    Unlogged: it is of no use after a crash, and a COMMIT of it waits for no disk.
    """

    __tablename__ = "rate_limits"

    token_id: Mapped[UUID] = mapped_column(primary_key=True)
    spent: Mapped[float]
    told: Mapped[int]  # requests, by the process that was the last to tell
    updated_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("spent >= 0 AND spent < 'Infinity'", name="spent"),
        {
            "prefixes": ["UNLOGGED"],
            "info": {CHANGED: ("spent", "told", "updated_at"), REMOVED: True},
        },
    )
