from __future__ import annotations

from app.api.schemas.base import ResourceSchema
from app.api.schemas.fields import Id, Text, Timestamp


class TokenSchema(ResourceSchema):
    user_id = Id()
    agent_id = Id()
    name = Text(longest=200, required=True)
    expires_at = Timestamp(allow_none=True)
    last_used_at = Timestamp(dump_only=True)
