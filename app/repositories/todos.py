"""To-dos."""

from __future__ import annotations

from app.db import Repository, filters_on, sorts_on
from app.models import Todo


class TodoRepository(Repository[Todo]):
    model = Todo
    filters = filters_on(
        Todo.description,
        Todo.completed,
        Todo.due_at,
        Todo.user_id,
        Todo.conversation_id,
        Todo.created_at,
        Todo.updated_at,
    )
    sorts = sorts_on(Todo.created_at, Todo.updated_at, Todo.due_at)
    searched = Todo.description.expression
