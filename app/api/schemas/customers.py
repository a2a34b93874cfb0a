from __future__ import annotations

from app.api.kit.fields import Email, JSONObject, Text, describe
from app.api.kit.schemas import DeletableSchema


class CustomerSchema(DeletableSchema):
    reference = Text(
        longest=64,
        required=True,
        metadata=describe("The unique number of the customer in the firm's own records.", "C-1001"),
    )
    name = Text(
        longest=200, required=True, metadata=describe("The name of the customer.", "Ann Harbour")
    )
    email = Email(
        allow_none=True,
        metadata=describe(
            "The unique e-mail address; letter case does not matter.", "ann@harbour.example"
        ),
    )
    phone = Text(
        longest=40, allow_none=True, metadata=describe("The telephone number.", "+44 20 7946 0000")
    )
    attributes = JSONObject(
        metadata=describe("Whatever else the firm wants to know; a PATCH merges it.", {"vip": True})
    )
