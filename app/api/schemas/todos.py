from __future__ import annotations

from app.api.schemas.base import DeletableSchema
from app.api.schemas.fields import Boolean, Id, Text, Timestamp


class TodoSchema(DeletableSchema):
    description = Text(longest=2000, required=True)
    completed = Boolean()
    due_at = Timestamp(allow_none=True)
    user_id = Id()
    conversation_id = Id(allow_none=True)
