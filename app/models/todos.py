"""The table of to-dos."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, false, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import DeletableResource
from app.models.base import PERSONAL


class Todo(DeletableResource):
    """A reminder that a member of staff sets for themselves."""

    __tablename__ = "todos"

    description: Mapped[str] = mapped_column(info={PERSONAL: True})
    completed: Mapped[bool] = mapped_column(server_default=false(), default=False)
    due_at: Mapped[datetime | None]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    conversation_id: Mapped[UUID | None] = mapped_column(ForeignKey("conversations.id"))

    __table_args__ = (
        CheckConstraint("char_length(description) BETWEEN 1 AND 2000", name="description"),
    )


Index("ix_todos_user_id", Todo.user_id, Todo.due_at)
Index(
    "ix_todos_conversation_id",
    Todo.conversation_id,
    postgresql_where=text("conversation_id IS NOT NULL"),
)
Index("ix_todos_created_at", Todo.created_at, Todo.id)
