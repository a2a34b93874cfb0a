from __future__ import annotations

from marshmallow import Schema

from app.api.context import settings
from app.api.schemas.base import DeletableSchema, StrictSchema
from app.api.schemas.fields import Boolean, Choice, Email, Ids, Integer, Text
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
