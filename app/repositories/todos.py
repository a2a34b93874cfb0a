from __future__ import annotations

from app.models import Todo
from app.repositories.base import Repository
from app.repositories.criteria import filters_on
from app.repositories.pages import sorts_on


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
