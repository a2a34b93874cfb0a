from __future__ import annotations

from typing import Any

from marshmallow import fields, post_load

from app.api.kit.fields import SEARCHED, Boolean, Text, describe
from app.api.kit.schemas import DeletableSchema
from app.api.schemas.money import Money, not_negative


class ProductSchema(DeletableSchema):
    sku = Text(
        longest=64, required=True, metadata=describe("The unique number of the product.", "ACC-1")
    )
    name = Text(
        longest=200, required=True, metadata=describe("The name of the product.", "Current account")
    )
    description = Text(
        longest=10_000,
        shortest=0,
        metadata=describe("What the product is.", "An account without a monthly fee."),
    )
    price = Money(
        required=True, validate=not_negative, metadata=describe("What it costs; zero or more.")
    )
    is_active = Boolean(metadata=describe("Whether the product is sold now."))
    snippet = fields.String(dump_only=True, metadata=SEARCHED)

    @post_load
    def _in_minor_units(self, values: dict[str, Any], **_: Any) -> dict[str, Any]:
        if (price := values.get("price")) is not None:
            values |= {"price": price.minor, "currency": price.currency}
        return values
