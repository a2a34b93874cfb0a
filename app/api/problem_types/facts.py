"""Members that problems of some types have, with their JSON Schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.api.kit.components import Shape

PROBLEM_FACTS: dict[str, Shape] = {
    "from": {
        "type": "string",
        "description": "`invalid-transition`: the current status of the resource.",
    },
    "allowed": {
        "type": "array",
        "description": "`invalid-transition`: the actions that the status allows.",
        "items": {"type": "string"},
    },
    "expected": {
        "type": "integer",
        "description": "`count-mismatch`: the number that the request expected.",
    },
    "count": {
        "type": "integer",
        "description": "`count-mismatch`: the number of rows that fit the filter.",
    },
    "existing_id": {
        "type": "string",
        "format": "uuid",
        "description": "`already-exists`: the id of the row that has the value.",
    },
    "merged_into_id": {
        "type": "string",
        "format": "uuid",
        "description": "`conversation-merged`: the id of the conversation to use instead.",
    },
}
