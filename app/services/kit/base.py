"""The base of all services: the database, the actor, and the events of their changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from uuid_utils.compat import uuid7

from app.domain.actors import SYSTEM, Actor, ActorKind
from app.domain.rules import Rules
from app.errors import Forbidden
from app.repositories import EventRepository, NewEvent
from app.repositories.event_fields import shown_as
from app.services.kit.changes import changed_members
from app.services.kit.permissions import SYSTEM_ONLY, Roles

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from sqlalchemy import Connection

    from app.db import Database, Resource
    from app.db.repository.writing import Changes

S = TypeVar("S", bound="Service")


@dataclass(frozen=True, kw_only=True)
class Service:
    """Its public methods are `@allowed` to roles, or take the handle of an open unit of work.

    `readers` read one row, `listers` read lists, `writers` write: only the system, unless a
    service names the roles.
    """

    readers: ClassVar[Roles] = SYSTEM_ONLY
    listers: ClassVar[Roles] = SYSTEM_ONLY
    writers: ClassVar[Roles] = SYSTEM_ONLY

    database: Database
    actor: Actor
    request_id: str | None = None
    rules: Rules = field(default_factory=Rules)
    events: EventRepository = EventRepository()

    @classmethod
    def as_system(cls, database: Database, **fields: Any) -> Self:
        """A service for commands and jobs: the system may call every method."""
        return cls(database=database, actor=SYSTEM, **fields)

    def related(self, kind: type[S]) -> S:
        """Another service for the same actor and request; its blocks join the open unit of work."""
        return kind(
            database=self.database,
            actor=self.actor,
            request_id=self.request_id,
            rules=self.rules,
        )

    def record(
        self,
        connection: Connection,
        action: str,
        model: type[Resource],
        changes: Mapping[UUID, Changes],
        *,
        versions: Mapping[UUID, int] | None = None,
    ) -> None:
        """Write one event per changed row, in the unit of work that changes it.

        `versions` are those after the change, by id. Without them the statement that writes the
        events looks them up, which costs PostgreSQL half as much again.
        """
        known = versions or {}
        events = [
            self._event(action, model, key, of, known.get(key)) for key, of in changes.items()
        ]
        self.events.add_many(connection, model, events)

    def _event(
        self,
        action: str,
        model: type[Resource],
        key: UUID,
        changes: Changes,
        version: int | None = None,
    ) -> NewEvent:
        shown, personal = _shown(model, changes)
        return NewEvent(
            id=uuid7(),
            actor_kind=self.actor.kind,
            actor_id=self.actor.id,
            actor_name=self.actor.name,
            action=action,
            object_type=model.__tablename__,
            object_id=key,
            object_version=version,
            changes=shown | dict.fromkeys(personal),
            personal=personal or None,
            request_id=self.request_id,
        )

    @property
    def agent_id(self) -> UUID:
        """The id of the acting agent; raises Forbidden for any other actor."""
        if self.actor.kind is not ActorKind.AGENT or self.actor.id is None:
            raise Forbidden("Only agents may do this.")
        return self.actor.id

    def require_admin_for_deleted(self, *, include_deleted: bool) -> None:
        if include_deleted and not self.actor.is_admin:
            raise Forbidden("Only admins can read deleted rows.")


def _shown(model: type[Resource], changes: Changes) -> tuple[dict[str, object], dict[str, object]]:
    """The changes that an event shows, and the personal ones."""
    shown: dict[str, object] = {}
    personal: dict[str, object] = {}
    for name, change in changes.items():
        if (how := shown_as(model, name)) is not None:
            before, after = changed_members(*change) if how.is_json else change
            of = personal if how.is_personal else shown
            of[how.label] = {"before": before, "after": after}
    return shown, personal
