from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from app.db.errors import Invalid, Mistake
from app.domain.actors import ActorKind
from app.models import Todo
from app.repositories import TodoRepository
from app.services.conversations import ConversationService
from app.services.kit.fields import NO_ROW
from app.services.kit.permissions import READERS, WRITERS, Roles, allowed
from app.services.kit.resources import ResourceService

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from app.services.kit.fields import Fields


@dataclass(frozen=True, kw_only=True)
class TodoService(ResourceService[Todo]):
    readers: ClassVar[Roles] = READERS
    listers: ClassVar[Roles] = READERS
    writers: ClassVar[Roles] = WRITERS
    repository: TodoRepository = TodoRepository()

    @allowed("writers")
    def create(self, values: Fields) -> Todo:
        """Without `user_id` the to-do is the acting user's own."""
        if "user_id" in values:
            return super().create(values)
        if self.actor.kind is not ActorKind.USER:
            raise Invalid([Mistake(("user_id",), "required", "It is required.")])
        return super().create({**values, "user_id": self.actor.id})

    def check_live(self, connection: Connection, values: Fields, row: Fields = NO_ROW) -> Fields:
        replaced = super().check_live(connection, values, row)
        self.related(ConversationService).check_not_merged(connection, {**row, **values})
        return replaced
