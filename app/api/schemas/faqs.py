from __future__ import annotations

from marshmallow import fields

from app.api.kit.fields import SEARCHED, Boolean, Reference, Text, Texts
from app.api.kit.schemas import DeletableSchema


class FaqSchema(DeletableSchema):
    question = Text(longest=500, required=True)
    answer = Text(longest=20_000, required=True)
    product_id = Reference("products", allow_none=True)
    tags = Texts(most=50, longest=64)
    is_published = Boolean()
    snippet = fields.String(dump_only=True, metadata=SEARCHED)
