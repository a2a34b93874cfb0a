"""Reminders of the staff."""

from __future__ import annotations

from flask import Blueprint

from app.api.kit.resources import add_routes
from app.api.schemas.todos import TodoSchema
from app.domain.conversations import ConversationMerged
from app.services import TodoService

blueprint = Blueprint("todos", __name__)

_MERGED = (ConversationMerged,)

add_routes(
    blueprint,
    TodoService,
    TodoSchema,
    problems={"create": _MERGED, "update": _MERGED, "restore": _MERGED},
)
