from __future__ import annotations

from app.api.kit.fields import Boolean, Reference, Text, Timestamp, describe
from app.api.kit.schemas import DeletableSchema


class TodoSchema(DeletableSchema):
    description = Text(
        longest=2000, required=True, metadata=describe("What is to be done.", "Call Ann back")
    )
    completed = Boolean(metadata=describe("Whether it is done."))
    due_at = Timestamp(allow_none=True, metadata=describe("When it has to be done."))
    user_id = Reference(
        "users",
        metadata=describe(
            "The user whose reminder it is; absent for the one who sends the request."
        ),
    )
    conversation_id = Reference(
        "conversations", allow_none=True, metadata=describe("The conversation that it is about.")
    )
