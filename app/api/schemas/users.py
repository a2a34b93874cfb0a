from __future__ import annotations

from marshmallow import Schema

from app.api.kit.context import settings
from app.api.kit.fields import Boolean, Choice, Email, Ids, Integer, Text, describe
from app.api.kit.schemas import DeletableSchema, StrictSchema
from app.domain.actors import USER_ROLES


class UserSchema(DeletableSchema):
    email = Email(
        required=True,
        metadata=describe(
            "The unique e-mail address, which is the user name; letter case does not matter.",
            "ada@desk.example",
        ),
    )
    name = Text(longest=200, required=True, metadata=describe("The name of the user.", "Ada Desk"))
    role = Choice(USER_ROLES, required=True, metadata=describe("What the user may do."))
    is_active = Boolean(metadata=describe("Whether the user's tokens are accepted."))


class DeactivationSchema(StrictSchema):
    ids = Ids(
        required=True,
        most=lambda: settings().max_deactivate,
        metadata=describe("The ids of the users."),
    )


class DeactivatedSchema(Schema):
    """How many of them were active."""

    deactivated = Integer(metadata=describe("How many of the users were active."))
