from __future__ import annotations

from marshmallow import fields

from app.api.kit.fields import ANSWERED_NULL, ONE_OF, Reference, Text, Timestamp, describe
from app.api.kit.schemas import DeletableSchema


class TokenSchema(DeletableSchema):
    user_id = Reference(
        "users", metadata=ANSWERED_NULL | ONE_OF | describe("The user to whom the token belongs.")
    )
    agent_id = Reference(
        "agents", metadata=ANSWERED_NULL | ONE_OF | describe("The agent to whom the token belongs.")
    )
    name = Text(longest=200, required=True, metadata=describe("What the token is for.", "Laptop"))
    expires_at = Timestamp(
        allow_none=True, metadata=describe("From then on the token is refused; null for never.")
    )
    last_used_at = Timestamp(
        dump_only=True,
        allow_none=True,
        metadata=describe("When the token was last used; accurate to a minute."),
    )


class IssuedTokenSchema(TokenSchema):
    """The only answer that holds the token itself."""

    token = fields.String(dump_only=True, metadata=describe("The token itself.", "cl_Zr0uW4n8T2"))
