from __future__ import annotations

from marshmallow import Schema

from app.api.kit.context import settings
from app.api.kit.fields import Boolean, Choice, Email, Ids, Integer, Text
from app.api.kit.schemas import DeletableSchema, StrictSchema
from app.domain.actors import USER_ROLES


class UserSchema(DeletableSchema):
    email = Email(required=True)
    name = Text(longest=200, required=True)
    role = Choice(USER_ROLES, required=True)
    is_active = Boolean()


class DeactivationSchema(StrictSchema):
    ids = Ids(required=True, most=lambda: settings().max_deactivate)


class DeactivatedSchema(Schema):
    """How many of them were active."""

    deactivated = Integer()
