"""Soft deletion and restoring, for resources whose rows can be soft-deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from app.db import DeletableResource, retry
from app.db.errors import Contention, VersionMismatch
from app.errors import InUse, NotDeleted, NotFound
from app.services.kit.base import Service
from app.services.kit.fields import NO_ROW
from app.services.kit.permissions import allowed
from app.services.kit.writes import Writes

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from sqlalchemy import Connection

    from app.db import Deleter, Record, Repository
    from app.services.kit.fields import Fields

D = TypeVar("D", bound=DeletableResource)


@dataclass(frozen=True, kw_only=True)
class Deletes(Service, Generic[D]):
    repository: Deleter[D]

    @allowed("writers")
    @retry
    def remove(self, key: UUID, *, expected: Collection[int] | None = None) -> None:
        """Raises InUse where live rows refer to this one, NotFound, VersionMismatch."""
        name = self.repository.model.__tablename__
        with self.database.connect() as connection:
            if dependants := self.repository.dependants(connection, key):
                raise InUse(name, dependants)
            removed = self.repository.soft_delete(connection, key, expected=expected)
            if removed is None:
                raise NotFound(name, key)
            deleted_at = {"deleted_at": (None, removed["deleted_at"])}
            self.record(
                connection,
                "deleted",
                self.repository.model,
                {key: deleted_at},
                versions={key: removed["version"]},
            )


@dataclass(frozen=True, kw_only=True)
class Restores(Writes[D]):
    """Apart from `Deletes`: a revoked token is deleted for good."""

    repository: Repository[D]

    @allowed("writers")
    @retry
    def restore(self, key: UUID, *, expected: Collection[int] | None = None) -> Record:
        """Raises NotDeleted, NotFound, VersionMismatch, AlreadyExists; see also `check_live`.

        What the row cannot keep, such as a reference to an agent that is inactive by now, is
        replaced, and the event names it.
        """
        with self.database.connect() as connection:
            deleted = self._deleted(connection, key, expected)
            replaced = self.check_live(connection, NO_ROW, deleted)
            restored = self._restored(connection, deleted, replaced)
            changes = {name: (deleted[name], restored[name]) for name in ("deleted_at", *replaced)}
            changes = {name: pair for name, pair in changes.items() if pair[0] != pair[1]}
            versions = {key: restored["version"]}
            self.record(connection, "restored", self.model, {key: changes}, versions=versions)
            return restored

    def _restored(self, connection: Connection, deleted: Record, replaced: Fields) -> Record:
        """Restore the row and return it; raises Contention where it has changed since the read."""
        key, expected = deleted["id"], [deleted["version"]]
        try:
            with self._naming_existing({**deleted, **replaced}):
                restored = self.repository.restore(connection, key, replaced, expected=expected)
        except VersionMismatch:
            restored = None
        if restored is None:
            raise Contention("Another unit of work changed the row.")
        return restored

    def _deleted(
        self, connection: Connection, key: UUID, expected: Collection[int] | None
    ) -> Record:
        """The deleted row, without a lock: every service locks the referenced rows first."""
        found = self.repository.record(connection, key, include_deleted=True)
        if found is None:
            raise NotFound(self.model.__tablename__, key)
        if found["deleted_at"] is None:
            raise NotDeleted("It is not deleted.")
        if expected is not None and found["version"] not in expected:
            raise VersionMismatch(found["version"])
        return found
