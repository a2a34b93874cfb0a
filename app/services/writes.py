"""What creating, updating and restoring have in common. There is no verb here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from app.errors import ParentDeleted, UnknownReference
from app.models.base import Resource
from app.services.base import Service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from app.repositories.base import Changes
    from app.repositories.references import ReferenceChecker

R = TypeVar("R", bound=Resource)


@dataclass(frozen=True, kw_only=True)
class Writes(Service, Generic[R]):
    repository: ReferenceChecker[R]

    @property
    def model(self) -> type[R]:
        return self.repository.model

    def check_live(
        self,
        connection: Connection,
        values: Mapping[str, Any],
        *,
        restoring: bool = False,
    ) -> None:
        """Check what a row refers to. The one hook that create, update and restore call.

        `values` are all fields of a new or restored row, and the given fields of an updated one.
        A rule about referenced rows (live, active, not merged, depth) belongs into an override,
        which calls super() too, so that it holds on every path. `BulkService.check_all_live` is
        the same hook for many new rows.

        Locks each referenced row FOR SHARE until the unit of work ends. Raises UnknownReference,
        and ParentDeleted when the row is being restored.
        """
        missing = self.repository.missing_references(connection, values)
        if missing and restoring:
            raise ParentDeleted(missing)
        if missing:
            raise UnknownReference(missing[0])

    def event_changes(self, entity: R, changes: Changes) -> Changes:  # noqa: ARG002 - overrides use it
        """The changes of an entity in the form in which its event holds them."""
        return changes
