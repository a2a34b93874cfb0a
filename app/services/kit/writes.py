"""The checks that creating, updating and restoring share."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from app.db import Resource
from app.db.errors import Unavailable, UnknownReference
from app.domain.actors import ActorKind
from app.errors import AlreadyExists, ParentDeleted
from app.services.kit.base import Service
from app.services.kit.fields import NO_ROW

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from sqlalchemy import Connection

    from app.db import ReferenceChecker
    from app.db.repository.writing import Changes
    from app.services.kit.fields import Fields

R = TypeVar("R", bound=Resource)


@dataclass(frozen=True, kw_only=True)
class Writes(Service, Generic[R]):
    repository: ReferenceChecker[R]

    @property
    def model(self) -> type[R]:
        return self.repository.model

    def check_live(self, connection: Connection, values: Fields, row: Fields = NO_ROW) -> Fields:
        """Check the rows that a row refers to. Create, update, restore and requeue call it.

        `values` are the fields that a client gives: all of a new row, none of a row that comes
        back. `row` holds what the row has already: all of one that comes back, and of an updated
        one the fields that `Updates.checked_with` names. A rule about referenced rows (live,
        active, not merged, depth) belongs into an override, which calls super() too, so that it
        holds on every path. `BulkService.check_all_live` is the same hook for many new rows.

        Returns the fields of `row` that it cannot keep, each with its replacement. Locks each
        referenced row FOR SHARE until the unit of work ends. Raises UnknownReference for what is
        given, ParentDeleted for what comes back.
        """
        missing = self.repository.missing_references(connection, {**row, **values})
        if missing and missing[0] in values:
            raise UnknownReference(missing[0])
        if missing:
            raise ParentDeleted(missing)
        return NO_ROW

    @contextmanager
    def _naming_existing(self, values: Fields) -> Iterator[None]:
        """Let an AlreadyExists that is raised inside find the row that has one of the values.

        Not for agents: they see only the rows of their tasks.
        """
        try:
            yield
        except AlreadyExists as error:
            if self.actor.kind is not ActorKind.AGENT and error.find_existing is None:
                error.find_existing = partial(self._existing_key, error.fields, dict(values))
            raise

    def _existing_key(self, fields: tuple[str, ...], values: Fields) -> UUID | None:
        try:
            with self.database.connect(read_only=True) as connection:
                found: UUID | None = self.repository.existing_key(connection, fields, values)
                return found
        except Unavailable:
            return None  # the conflict is reported without the id

    def event_changes(self, entity: R, changes: Changes) -> Changes:  # noqa: ARG002 - overrides use it
        """The changes of an entity in the form in which its event holds them."""
        return changes
