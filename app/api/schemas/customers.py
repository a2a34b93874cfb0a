from __future__ import annotations

from app.api.kit.fields import Email, JSONObject, Text
from app.api.kit.schemas import DeletableSchema


class CustomerSchema(DeletableSchema):
    reference = Text(longest=64, required=True)
    name = Text(longest=200, required=True)
    email = Email(allow_none=True)
    phone = Text(longest=40, allow_none=True)
    attributes = JSONObject()
