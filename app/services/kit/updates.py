"""Changes of a resource's rows, one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, TypeVar

from app.db import Resource, retry
from app.db.errors import Conflict, Contention, Invalid
from app.errors import NotFound
from app.services.kit.changes import merged
from app.services.kit.fields import NO_ROW
from app.services.kit.json_limits import check_json
from app.services.kit.permissions import allowed
from app.services.kit.writes import Writes

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from uuid import UUID

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from app.db import Updater
    from app.db.repository.writing import Changes
    from app.services.kit.fields import Fields

R = TypeVar("R", bound=Resource)


@dataclass(frozen=True, kw_only=True)
class Applies(Writes[R]):
    """For a service whose own verbs change rows, such as `freeze`. It has no `update`."""

    repository: Updater[R]

    def locked(self, session: Session, key: UUID) -> R:
        """The live row, locked until the unit ends; raises NotFound."""
        entity = self.repository.get(session, key, lock=True)
        if entity is None:
            raise NotFound(self.model.__tablename__, key)
        return entity

    def apply(
        self,
        session: Session,
        entity: R,
        values: Fields,
        *,
        expected: Collection[int] | None = None,
        action: str = "updated",
    ) -> Changes:
        """Change a locked entity and write its event. Rules for every change belong in overrides.

        Returns the changed fields; where nothing changes, there is no event.
        """
        check_json(self.rules, self.model, values)
        with self._naming_existing(values):
            changes = self.repository.update(session, entity, values, expected=expected)
        if changes:
            recorded = self.event_changes(entity, changes)
            self.record(
                session.connection(),
                action,
                self.model,
                {entity.id: recorded},
                versions={entity.id: entity.version},
            )
        return changes


@dataclass(frozen=True, kw_only=True)
class Updates(Applies[R]):
    checked_with: ClassVar[Mapping[str, frozenset[str]]] = MappingProxyType({})
    """The fields of the row that `check_live` needs, by the field that a client gives."""

    @allowed("writers")
    @retry
    def update(self, key: UUID, values: Fields, *, expected: Collection[int] | None = None) -> R:
        """Set the named fields; of JSON objects, the named members (RFC 7396).

        An update that changes nothing does not raise the version, and writes no event. `expected`
        are the versions that the caller knows: raises VersionMismatch for any other.
        """
        with self.database.session() as session:
            connection = session.connection()
            row = self._row_checked_with(connection, key, values)
            try:  # every service locks the referenced rows before the row itself
                replaced = self.check_live(connection, values, row)
            except (Conflict, Invalid):
                self.locked(session, key)  # NotFound is reported first
                raise
            entity = self.locked(session, key)
            if any(getattr(entity, name) != value for name, value in row.items()):
                raise Contention("Another unit of work changed the row.")
            wanted = {name: merged(entity, name, value) for name, value in values.items()}
            self.apply(session, entity, {**wanted, **replaced}, expected=expected)
            return entity

    def _row_checked_with(self, connection: Connection, key: UUID, values: Fields) -> Fields:
        """The fields, read without a lock: `update` is retried where they have changed since."""
        names = frozenset[str]().union(*(self.checked_with.get(name, ()) for name in values))
        if not names:
            return NO_ROW
        record = self.repository.record(connection, key)
        if record is None:
            raise NotFound(self.model.__tablename__, key)
        return {name: record[name] for name in names}
