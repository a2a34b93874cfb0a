from __future__ import annotations

from marshmallow import fields

from app.api.kit.fields import SEARCHED, Boolean, Reference, Text, Texts, describe
from app.api.kit.schemas import DeletableSchema


class FaqSchema(DeletableSchema):
    question = Text(
        longest=500, required=True, metadata=describe("The question.", "How do I get a refund?")
    )
    answer = Text(longest=20_000, required=True, metadata=describe("The answer.", "Write to us."))
    product_id = Reference(
        "products", allow_none=True, metadata=describe("The product that the question is about.")
    )
    tags = Texts(most=50, longest=64, metadata=describe("Words to group questions by.", ["fees"]))
    is_published = Boolean(metadata=describe("Whether the answer is meant for customers."))
    snippet = fields.String(dump_only=True, metadata=SEARCHED)
