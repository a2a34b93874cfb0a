from __future__ import annotations

from marshmallow import fields

from app.api.kit.fields import ANSWERED_NULL, ONE_OF, Reference, Text, Timestamp
from app.api.kit.schemas import DeletableSchema


class TokenSchema(DeletableSchema):
    user_id = Reference("users", metadata=ANSWERED_NULL | ONE_OF)
    agent_id = Reference("agents", metadata=ANSWERED_NULL | ONE_OF)
    name = Text(longest=200, required=True)
    expires_at = Timestamp(allow_none=True)
    last_used_at = Timestamp(dump_only=True, allow_none=True)


class IssuedTokenSchema(TokenSchema):
    """The only answer that holds the token itself."""

    token = fields.String(dump_only=True)
