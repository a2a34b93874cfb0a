"""Soft deletion and its opposite, for resources whose rows can be soft-deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from app.db import retry
from app.errors import InUse, NotDeleted, NotFound
from app.models.base import DeletableResource
from app.services.base import Service
from app.services.permissions import allowed
from app.services.writes import Writes

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from sqlalchemy import Connection

    from app.repositories import Record, Repository
    from app.repositories.deletion import Deleter

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
        """Raises NotDeleted, NotFound, VersionMismatch, AlreadyExists; see also `check_live`."""
        with self.database.connect() as connection:
            deleted = self.repository.record(connection, key, include_deleted=True)
            restored = self.repository.restore(connection, key, expected=expected)
            if restored is None or deleted is None:
                raise self._why_not_restored(connection, key)
            self.check_live(connection, restored, restoring=True)
            deleted_at = {"deleted_at": (deleted["deleted_at"], None)}
            versions = {key: restored["version"]}
            self.record(connection, "restored", self.model, {key: deleted_at}, versions=versions)
            return restored

    def _why_not_restored(self, connection: Connection, key: UUID) -> NotFound | NotDeleted:
        if self.repository.exists(connection, key):
            return NotDeleted("It is not deleted.")
        return NotFound(self.model.__tablename__, key)
