from __future__ import annotations

from app.api.kit.fields import Boolean, Reference, Text, Timestamp
from app.api.kit.schemas import DeletableSchema


class TodoSchema(DeletableSchema):
    description = Text(longest=2000, required=True)
    completed = Boolean()
    due_at = Timestamp(allow_none=True)
    user_id = Reference("users")
    conversation_id = Reference("conversations", allow_none=True)
