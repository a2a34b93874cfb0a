"""Repositories, over Core and over the ORM: each is composed of the verbs that its table supports.

A method's first argument says where it works: `connection` (Core) or `session` (ORM), opened by
a service. Repositories keep no state and never end a transaction. A missing row is None.
"""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm import Session

from ..errors import VersionMismatch
from ..fields import check_fields, columns_of
from ..tables import Base, D, M
from ..versions import version_name
from .bulk import BulkWriter
from .deletion import Deleter
from .mass_writes import MassWriter
from .references import ReferenceChecker

Changes = dict[str, tuple[Any, Any]]
"""The fields that changed, each with its value before and after."""


class Inserter(ReferenceChecker[M]):
    """Single new rows, by the ORM."""

    def add(self, session: Session, entity: M) -> M:
        """Insert; what the database fills in is loaded.

        A foreign key accepts a soft-deleted parent: call `missing_references` first.
        """
        session.add(entity)
        session.flush()
        return entity


class Updater(ReferenceChecker[M]):
    """Changes of single rows, by the ORM."""

    def update(
        self,
        session: Session,
        entity: M,
        values: Mapping[str, Any],
        *,
        expected: Collection[int] | None = None,
    ) -> Changes:
        """Set the named fields of a locked entity; returns those that differ now.

        `expected` names the versions that the caller knows; raises VersionMismatch.
        """
        if expected is not None and (version := _version(entity)) not in expected:
            raise VersionMismatch(version)
        changes = self._differences(entity, values)
        for name, (_, after) in changes.items():
            setattr(entity, name, after)
        session.flush()
        return changes

    def _differences(self, entity: M, values: Mapping[str, Any]) -> Changes:
        """As the columns' types compare: to jsonb 1 and 1.0 are equal, and true is neither."""
        check_fields(self.model, values, changed=True)
        columns = columns_of(self.model)
        changes: Changes = {}
        for name, value in values.items():
            before = getattr(entity, name)
            if not columns[name].type.compare_values(before, value):
                changes[name] = (before, value)
        return changes


class Repository(Inserter[D], Updater[D], BulkWriter[D], MassWriter[D], Deleter[D]):
    """For soft-deleted resources: reads, single writes, bulk writes and deletion."""


def _version(entity: Base) -> int:
    name = version_name(inspect(entity).mapper)
    if name is None:
        raise TypeError(f"{type(entity).__name__} has no version.")
    version: int = getattr(entity, name)
    return version
