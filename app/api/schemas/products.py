from __future__ import annotations

from typing import Any

from marshmallow import fields, post_load

from app.api.kit.fields import SEARCHED, Boolean, Text
from app.api.kit.schemas import DeletableSchema
from app.api.schemas.money import Money, not_negative


class ProductSchema(DeletableSchema):
    sku = Text(longest=64, required=True)
    name = Text(longest=200, required=True)
    description = Text(longest=10_000, shortest=0)
    price = Money(required=True, validate=not_negative)
    is_active = Boolean()
    snippet = fields.String(dump_only=True, metadata=SEARCHED)

    @post_load
    def _in_minor_units(self, values: dict[str, Any], **_: Any) -> dict[str, Any]:
        if (price := values.get("price")) is not None:
            values |= {"price": price.minor, "currency": price.currency}
        return values
