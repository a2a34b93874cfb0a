"""The table of task attempts."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Identified
from app.domain.tasks import Outcome
from app.models.base import CHANGED, PERSONAL, one_of


class TaskAttempt(Identified):
    """One run of a task, which begins with a claim; `outcome` is None until it ends."""

    __tablename__ = "task_attempts"

    id: Mapped[UUID] = mapped_column(
        primary_key=True, server_default=func.gen_random_uuid(), sort_order=-2
    )
    task_id: Mapped[UUID] = mapped_column(ForeignKey("tasks.id"))
    number: Mapped[int]
    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id"))
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    error: Mapped[str | None] = mapped_column(info={PERSONAL: True})

    __table_args__ = (
        one_of("outcome", Outcome),
        CheckConstraint("(outcome IS NULL) = (ended_at IS NULL)", name="ended_at"),
        {"info": {CHANGED: ("ended_at", "outcome", "error")}},
    )


Index("uq_task_attempts_task_id_number", TaskAttempt.task_id, TaskAttempt.number, unique=True)
Index("ix_task_attempts_agent_id", TaskAttempt.agent_id, TaskAttempt.started_at)
