"""The table of tasks."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, SmallInteger, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import DeletableResource
from app.db.marks import BOOKKEEPING, FIELDS, HISTORY_UNLESS, INTERNAL, LARGE, RULES, SECRET
from app.domain.tasks import DEFAULT_PRIORITY, OpenSubtasks, ParentFinished, TaskCycle, TaskStatus
from app.models.base import JSON, PERSONAL, TASK_DATA, json_size, one_of

# A claim finds a task by its lane: its queue or, for a task of one agent, that queue and the agent.
_LANE = "CASE WHEN agent_id IS NULL THEN queue ELSE queue || '/' || agent_id::text END"
# The time from which a claim may take the task. For a running task that is the end of its lease: a
# running task whose `available_at` has passed has an expired lease.
# Spelt as PostgreSQL prints it: autogenerate would report any other spelling as a difference.
_AVAILABLE_AT = (
    "CASE status WHEN 'pending'::text THEN run_after WHEN 'running'::text THEN lease_expires_at"
    " ELSE NULL::timestamp with time zone END"
)

_BOOKKEEPING = {BOOKKEEPING: True}
_INTERNAL = {BOOKKEEPING: True, INTERNAL: True}
_DATA = {PERSONAL: True, TASK_DATA: True, LARGE: True}


class Task(DeletableResource):
    """Work that agents claim.

    `attempt` is the number of the current or last attempt. `attempts_forgiven` of them do not
    count against `max_attempts`: released ones, and all before a requeue. `claimed_by_id` is the
    agent that runs the task, or ran it last. Triggers count `open_subtasks`, refuse cycles, and
    raise `run_after` to the time of creation where it is earlier.
    """

    __tablename__ = "tasks"

    kind: Mapped[str]
    queue: Mapped[str]
    priority: Mapped[int] = mapped_column(
        SmallInteger, default=DEFAULT_PRIORITY, server_default=str(DEFAULT_PRIORITY)
    )
    conversation_id: Mapped[UUID | None] = mapped_column(ForeignKey("conversations.id"))
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("tasks.id"))
    agent_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("agents.id"), info={HISTORY_UNLESS: "status IN ('pending', 'running')"}
    )
    input: Mapped[JSON] = mapped_column(default=dict, server_default=text("'{}'"), info=_DATA)
    # Every model of SQLAlchemy has an attribute `metadata` already.
    metadata_: Mapped[JSON] = mapped_column(
        "metadata",
        key="metadata_",
        default=dict,
        server_default=text("'{}'"),
        info={PERSONAL: True, LARGE: True},
    )
    run_after: Mapped[datetime] = mapped_column(server_default=func.now())
    max_attempts: Mapped[int] = mapped_column(SmallInteger, default=3, server_default="3")
    dedupe_key: Mapped[str | None] = mapped_column(info={PERSONAL: True})
    # `dedupe_key` is unique within this scope: the id of the parent for a task that an agent
    # created, NULL for all tasks of users and of the system.
    dedupe_scope: Mapped[UUID | None] = mapped_column(info=_INTERNAL)
    status: Mapped[str] = mapped_column(
        default=TaskStatus.PENDING, server_default=TaskStatus.PENDING
    )
    attempt: Mapped[int] = mapped_column(default=0, server_default="0")
    attempts_forgiven: Mapped[int] = mapped_column(default=0, server_default="0", info=_INTERNAL)
    cancel_requested: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    claimed_by_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("agents.id"), info={HISTORY_UNLESS: "status = 'running'"}
    )
    output: Mapped[JSON | None] = mapped_column(info=_DATA)
    error: Mapped[str | None] = mapped_column(info={PERSONAL: True})
    progress: Mapped[JSON | None] = mapped_column(
        info={BOOKKEEPING: True, PERSONAL: True, LARGE: True}
    )
    lease_token: Mapped[UUID | None] = mapped_column(info={BOOKKEEPING: True, SECRET: True})
    lease_seconds: Mapped[int | None] = mapped_column(info=_INTERNAL)
    lease_expires_at: Mapped[datetime | None] = mapped_column(info=_BOOKKEEPING)
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    open_subtasks: Mapped[int] = mapped_column(default=0, server_default="0", info=_INTERNAL)
    lane: Mapped[str] = mapped_column(Text, Computed(_LANE, persisted=True), info=_INTERNAL)
    available_at: Mapped[datetime | None] = mapped_column(
        Computed(_AVAILABLE_AT, persisted=True), info=_INTERNAL
    )

    subtasks: Mapped[list[Task]] = relationship(lazy="raise", order_by="Task.id", viewonly=True)

    __table_args__ = (
        CheckConstraint("char_length(kind) BETWEEN 1 AND 64", name="kind"),
        CheckConstraint("queue ~ '^[a-z0-9][a-z0-9._-]{0,63}$'", name="queue"),
        CheckConstraint("priority BETWEEN 0 AND 9", name="priority"),
        CheckConstraint("jsonb_typeof(input) = 'object'", name="input"),
        CheckConstraint("jsonb_typeof(metadata) = 'object'", name="metadata"),
        *map(json_size, ("input", "metadata", "output", "progress")),
        CheckConstraint("max_attempts BETWEEN 1 AND 100", name="max_attempts"),
        CheckConstraint("char_length(dedupe_key) BETWEEN 1 AND 255", name="dedupe_key"),
        one_of("status", TaskStatus),
        CheckConstraint("attempts_forgiven BETWEEN 0 AND attempt", name="attempt"),
        CheckConstraint(
            "(status = 'running') = (lease_token IS NOT NULL)"
            " AND (status <> 'running' OR claimed_by_id IS NOT NULL)"
            " AND (lease_expires_at IS NULL OR status = 'running')",
            name="lease",
        ),
        CheckConstraint(
            "(status IN ('completed', 'failed', 'cancelled')) = (completed_at IS NOT NULL)",
            name="completed_at",
        ),
        CheckConstraint("parent_id <> id", name="parent_id"),
        CheckConstraint(
            "open_subtasks >= 0 AND (status <> 'completed' OR open_subtasks = 0)",
            name="open_subtasks",
        ),
        {
            "info": {
                RULES: {
                    "ck_tasks_parent_id": TaskCycle,
                    "tasks_no_cycle": TaskCycle,
                    "ck_tasks_open_subtasks": OpenSubtasks,
                    "tasks_parent_open": ParentFinished,
                }
            }
        },
    )


_IS_OPEN = "status IN ('pending', 'running') AND deleted_at IS NULL"
_OPEN = text(_IS_OPEN)

Index(
    "ix_tasks_claim",
    Task.lane,
    Task.priority,
    Task.available_at,
    Task.id,
    postgresql_where=_OPEN,
)
Index(
    "uq_tasks_dedupe_key",
    Task.dedupe_key,
    Task.dedupe_scope,
    unique=True,
    postgresql_nulls_not_distinct=True,
    postgresql_where=text(f"{_IS_OPEN} AND dedupe_key IS NOT NULL"),
    info={FIELDS: ("dedupe_key",)},
)
Index(
    "ix_tasks_claimed_by_id",
    Task.claimed_by_id,
    postgresql_where=text("status = 'running' AND deleted_at IS NULL"),
)
Index(
    "ix_tasks_agent_id",
    Task.agent_id,
    postgresql_where=text("agent_id IS NOT NULL"),
)
Index(
    "ix_tasks_conversation_id",
    Task.conversation_id,
    Task.id,
    postgresql_where=text("conversation_id IS NOT NULL"),
)
Index(
    "ix_tasks_parent_id",
    Task.parent_id,
    Task.id,
    postgresql_where=text("parent_id IS NOT NULL"),
)
Index("ix_tasks_created_at", Task.created_at, Task.id)
