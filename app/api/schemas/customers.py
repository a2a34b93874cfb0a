from __future__ import annotations

from app.api.schemas.base import DeletableSchema
from app.api.schemas.fields import Email, JSONObject, Text


class CustomerSchema(DeletableSchema):
    reference = Text(longest=64, required=True)
    name = Text(longest=200, required=True)
    email = Email(allow_none=True)
    phone = Text(longest=40, allow_none=True)
    attributes = JSONObject()
