"""The table of agents."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, text, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.db import LIVE, DeletableResource
from app.db.marks import BOOKKEEPING
from app.domain.agents import AgentKind
from app.models.base import PERSONAL, one_of


class Agent(DeletableResource):
    """A worker that claims tasks: a person or a program."""

    __tablename__ = "agents"

    name: Mapped[str] = mapped_column(info={PERSONAL: True})
    kind: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    queues: Mapped[list[str]] = mapped_column(
        ARRAY(Text), default=list, server_default=text("'{}'")
    )
    is_active: Mapped[bool] = mapped_column(server_default=true(), default=True)
    last_seen_at: Mapped[datetime | None] = mapped_column(info={BOOKKEEPING: True})

    __table_args__ = (
        CheckConstraint("char_length(name) BETWEEN 1 AND 200", name="name"),
        one_of("kind", AgentKind),
        CheckConstraint("array_position(queues, NULL) IS NULL", name="queues"),
    )


Index("uq_agents_name", Agent.name, unique=True, postgresql_where=LIVE)
# A user's token claims as the agent of that user, so a user has at most one.
Index("uq_agents_user_id", Agent.user_id, unique=True, postgresql_where=LIVE)
Index("ix_agents_created_at", Agent.created_at, Agent.id)
