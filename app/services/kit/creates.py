"""New rows of a resource, one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from app.db import Resource, retry
from app.services.kit.changes import initial_values
from app.services.kit.json_limits import check_json
from app.services.kit.permissions import allowed
from app.services.kit.writes import Writes

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from app.db import Inserter
    from app.services.kit.fields import Fields

R = TypeVar("R", bound=Resource)


@dataclass(frozen=True, kw_only=True)
class Adds(Writes[R]):
    """For a service whose own verbs create rows, such as `issue`. It has no `create`."""

    repository: Inserter[R]

    def add(self, session: Session, values: Fields) -> R:
        """Insert a row with these values and record the event, in the open unit of work."""
        entity = self.insert(session.connection(), values)
        session.add(entity)
        return entity

    def insert(self, connection: Connection, values: Fields) -> R:
        """As `add`, for a caller that goes on without a session."""
        check_json(self.rules, self.model, values)
        self.check_live(connection, values)
        with self._naming_existing(values):
            entity = self.repository.insert(connection, values)
        changes = self.event_changes(entity, initial_values(entity))
        versions = {entity.id: entity.version}
        self.record(connection, "created", self.model, {entity.id: changes}, versions=versions)
        return entity


@dataclass(frozen=True, kw_only=True)
class Creates(Adds[R]):
    @allowed("writers")
    @retry
    def create(self, values: Fields) -> R:
        with self.database.connect() as connection:
            return self.insert(connection, values)
