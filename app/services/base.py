"""What all services share: the database, who is acting, and the record of what was done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

from app.db import retry
from app.domain.actors import SYSTEM, Actor, ActorKind
from app.domain.rules import Rules
from app.errors import (
    Conflict,
    Forbidden,
    InUse,
    Invalid,
    NotDeleted,
    NotFound,
    ParentDeleted,
    UnknownReference,
)
from app.models.base import BOOKKEEPING, INTERNAL, PERSONAL, SECRET, UNRECORDED, Resource
from app.repositories import EventRepository, NewEvent, Query
from app.services.changes import initial_values, merged
from app.services.reading import read_many, read_one, read_page

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from uuid import UUID

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from app.db import Database
    from app.repositories import Page, Record, Total
    from app.repositories.base import Changes
    from app.services.ports import ResourceRepository

R = TypeVar("R", bound=Resource)

S = TypeVar("S", bound="Service")

_IN_NO_EVENT = {BOOKKEEPING, INTERNAL, SECRET, UNRECORDED}


@dataclass(frozen=True, kw_only=True)
class Service:
    database: Database
    actor: Actor
    request_id: str | None = None
    rules: Rules = field(default_factory=Rules)
    events: EventRepository = EventRepository()

    @classmethod
    def as_system(cls, database: Database, **fields: Any) -> Self:
        """A service that acts as the system, which may do everything: for commands and jobs."""
        return cls(database=database, actor=SYSTEM, **fields)

    def beside(self, kind: type[S]) -> S:
        """Another service, for the same actor and request: what it does joins the open unit."""
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
    ) -> None:
        """Write one event per changed row, in the unit of work that changes it."""
        self.events.add_many(
            connection, [self._event(action, model, key, of) for key, of in changes.items()]
        )

    def _event(self, action: str, model: type[Resource], key: UUID, changes: Changes) -> NewEvent:
        shown, personal = _shown(model, changes)
        return NewEvent(
            actor_kind=self.actor.kind,
            actor_id=self.actor.id,
            actor_name=self.actor.name,
            action=action,
            object_type=model.__tablename__,
            object_id=key,
            changes=shown | dict.fromkeys(personal),
            personal=personal or None,
            request_id=self.request_id,
        )

    @property
    def agent_id(self) -> UUID:
        """Of the agent who is acting."""
        if self.actor.kind is not ActorKind.AGENT or self.actor.id is None:
            raise Forbidden("Only for agents.")
        return self.actor.id

    def require_admin_for_deleted(self, *, include_deleted: bool) -> None:
        if include_deleted and not self.actor.is_admin:
            raise Forbidden("Only admins see what was deleted.")


def _shown(model: type[Resource], changes: Changes) -> tuple[dict[str, Any], dict[str, Any]]:
    """What an event tells, and what of it is personal; a name may be that of no column."""
    shown: dict[str, Any] = {}
    personal: dict[str, Any] = {}
    for name, (before, after) in changes.items():
        column = model.__table__.c.get(name)
        marks = {} if column is None else column.info
        if _IN_NO_EVENT.isdisjoint(marks):
            label = name if column is None else str(column.name)
            (personal if PERSONAL in marks else shown)[label] = {"before": before, "after": after}
    return shown, personal


@dataclass(frozen=True, kw_only=True)
class ResourceService(Service, Generic[R]):
    """Create, read, update, delete and restore: each call one unit of work, with its event."""

    repository: ResourceRepository[R]
    open_to_agents: ClassVar[bool] = False  # whatever their tasks are about

    @property
    def model(self) -> type[R]:
        return self.repository.model

    @retry
    def create(self, values: Mapping[str, Any]) -> R:
        with self.database.session() as session:
            self._check_references(session.connection(), values)
            entity = self.repository.add(session, self.model(**values))
            self.record(
                session.connection(),
                "created",
                self.model,
                {entity.id: self.told(entity, initial_values(entity))},
            )
            return entity

    @retry
    def get(self, key: UUID, *, include_deleted: bool = False) -> Record:
        self.require_admin_for_deleted(include_deleted=include_deleted)
        with self.database.connect(read_only=True) as connection:
            self.require_visible(connection, key)
            return read_one(self.database, self.repository, key, include_deleted=include_deleted)

    @retry
    def get_many(self, keys: Collection[UUID]) -> dict[UUID, Record]:
        """Those of these things that are there and that the actor may see, by id."""
        with self.database.connect(read_only=True) as connection:
            return read_many(self.database, self.repository, self._visible(connection, keys))

    def require_visible(self, connection: Connection, key: UUID) -> None:
        """An agent sees what its tasks refer to, and learns nothing about anything else."""
        if key not in self._visible(connection, [key]):
            raise Forbidden("None of the agent's tasks refers to this.")

    def visible_to_agent(self, connection: Connection, keys: Collection[UUID]) -> Collection[UUID]:  # noqa: ARG002 - for those that look at it
        """Those of these things that the agent who is acting may see, in one statement."""
        return keys if self.open_to_agents else ()

    def _visible(self, connection: Connection, keys: Collection[UUID]) -> Collection[UUID]:
        is_agent = self.actor.kind is ActorKind.AGENT
        return self.visible_to_agent(connection, keys) if is_agent and keys else keys

    @retry
    def find(self, /, **filters: Any) -> R | None:
        """The one live row that fits the filters."""
        with self.database.session(read_only=True) as session:
            return self.repository.find(session, **filters)

    @retry
    def page(self, query: Query, *, total: bool = False) -> tuple[Page[Record], Total | None]:
        self.require_admin_for_deleted(include_deleted=query.include_deleted)
        return read_page(self.database, self.repository, query, total=total)

    @retry
    def update(
        self, key: UUID, values: Mapping[str, Any], *, expected: Collection[int] | None = None
    ) -> R:
        """Set the named fields; of JSON objects, the named members (RFC 7396).

        What changes nothing moves no version and writes no event.
        """
        with self.database.session() as session:
            try:  # what it refers to is locked first, by everybody
                self._check_references(session.connection(), values)
            except (Conflict, Invalid):
                self.locked(session, key)  # that it is not there is told first
                raise
            entity = self.locked(session, key)
            wanted = {name: merged(entity, name, value) for name, value in values.items()}
            self.apply(session, entity, wanted, expected=expected)
            return entity

    def apply(
        self,
        session: Session,
        entity: R,
        values: Mapping[str, Any],
        *,
        expected: Collection[int] | None = None,
        action: str = "updated",
    ) -> Changes:
        """Change a locked entity and record it; what all changes of this kind need goes here."""
        changes = self.repository.update(session, entity, values, expected=expected)
        if changes:
            told = self.told(entity, changes)
            self.record(session.connection(), action, self.model, {entity.id: told})
        return changes

    def told(self, entity: R, changes: Changes) -> Changes:  # noqa: ARG002 - for those who need it
        """The changes of an entity as its event tells them."""
        return changes

    def locked(self, session: Session, key: UUID) -> R:
        """The live row, locked until the unit ends; raises NotFound."""
        entity = self.repository.get(session, key, lock=True)
        if entity is None:
            raise NotFound(self.model.__tablename__, key)
        return entity

    @retry
    def remove(self, key: UUID, *, expected: Collection[int] | None = None) -> None:
        with self.database.connect() as connection:
            if dependants := self.repository.dependants(connection, key):
                raise InUse(self.model.__tablename__, dependants)
            removed = self.repository.soft_delete(connection, key, expected=expected)
            if removed is None:
                raise NotFound(self.model.__tablename__, key)
            deleted_at = {"deleted_at": (None, removed["deleted_at"])}
            self.record(connection, "deleted", self.model, {key: deleted_at})

    @retry
    def restore(self, key: UUID, *, expected: Collection[int] | None = None) -> Record:
        with self.database.connect() as connection:
            deleted = self.repository.record(connection, key, include_deleted=True)
            restored = self.repository.restore(connection, key, expected=expected)
            if restored is None or deleted is None:
                raise self._why_not_restored(connection, key)
            if missing := self.repository.missing_references(connection, restored):
                raise ParentDeleted(missing)
            deleted_at = {"deleted_at": (deleted["deleted_at"], None)}
            self.record(connection, "restored", self.model, {key: deleted_at})
            return restored

    def _check_references(self, connection: Connection, values: Mapping[str, Any]) -> None:
        if missing := self.repository.missing_references(connection, values):
            raise UnknownReference(missing[0])

    def _why_not_restored(self, connection: Connection, key: UUID) -> NotFound | NotDeleted:
        if self.repository.exists(connection, key):
            return NotDeleted("It is not deleted.")
        return NotFound(self.model.__tablename__, key)
