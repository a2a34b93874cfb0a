"""Repositories, over Core and over the ORM: each is composed of the verbs that its table supports.

A method's first argument says where it works: `connection` (Core) or `session` (ORM), opened by
a service. Repositories keep no state and never end a transaction. A missing row is None.
"""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, inspect
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import instance_dict, instance_state

from ..errors import VersionMismatch
from ..fields import check_fields, columns_of
from ..tables import Base, D, M
from ..versions import version_name
from . import statements
from .bulk import BulkWriter
from .deletion import Deleter
from .mass_writes import MassWriter
from .references import ReferenceChecker
from .rows import add_defaults

Changes = dict[str, tuple[Any, Any]]
"""The fields that changed, each with its value before and after."""


class Inserter(ReferenceChecker[M]):
    """Single new rows, over Core or by the ORM.

    A foreign key accepts a soft-deleted parent: call `missing_references` first.
    """

    def insert(self, connection: Connection, values: Mapping[str, Any]) -> M:
        """Insert a row by one statement, and return it as an entity that belongs to no session.

        It costs a third of `add`. Fields that are not named get the defaults of the model or of the
        table. Add the entity to a session to go on working with it there.
        """
        row = {**values}
        names, _ = add_defaults(self.model, [row])
        statement = statements.prepared(statements.insert_one, self, names)
        return _entity(self.model, statement.records(connection, row)[0])

    def add(self, session: Session, entity: M) -> M:
        """Insert; what the database fills in is loaded."""
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


def _entity(model: type[M], record: Mapping[str, Any]) -> M:
    """A detached entity with the values of the record."""
    mapper: Any = inspect(model)
    entity: M = mapper.class_manager.new_instance()
    instance_dict(entity).update(record)
    instance_state(entity).key = mapper.identity_key_from_instance(entity)
    return entity


def _version(entity: Base) -> int:
    name = version_name(inspect(entity).mapper)
    if name is None:
        raise TypeError(f"{type(entity).__name__} has no version.")
    version: int = getattr(entity, name)
    return version
