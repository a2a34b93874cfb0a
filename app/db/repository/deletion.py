"""Soft deletion: delete, restore, purge, and find the rows that refer to a row."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.sql.dml import ReturningDelete, ReturningUpdate

from ..errors import VersionMismatch
from ..fields import check_fields
from ..marks import HISTORY, HISTORY_UNLESS, LIVE_WHILE, OWNED
from ..tables import D, DeletableResource
from . import statements
from .reading import Reader
from .records import Record

# Bind parameters. One with the name of a column would set that column.
_KEY, _EXPECTED = "uw_key", "uw_expected"


class Deleter(Reader[D]):
    """Soft deletion, restore and purge of a DeletableResource."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        model: type | None = getattr(cls, "model", None)
        if model is not None and not issubclass(model, DeletableResource):
            raise TypeError(
                f"{cls.__name__} deletes softly, and its model {model.__name__} does not inherit"
                " DeletableResource. Inherit that in the model, or compose the repository of the"
                " parts that it needs: Reader, Inserter, Updater, BulkWriter, MassWriter."
            )

    @property
    def may_be_in_use(self) -> bool:
        """Whether any table could have rows that `dependants` reports."""
        return _dependants(self) is not None

    def soft_delete(
        self, connection: sa.Connection, key: Any, *, expected: Collection[int] | None = None
    ) -> Record | None:
        """Hide the live row with this id; raises VersionMismatch if it is not at `expected`.

        It checks no references: call `dependants` first, in the same unit.
        """
        return self._change_one(connection, key, {}, expected, restored=False)

    def restore(
        self,
        connection: sa.Connection,
        key: Any,
        values: Mapping[str, Any] = MappingProxyType({}),
        *,
        expected: Collection[int] | None = None,
    ) -> Record | None:
        """Show a deleted row again, with these values instead of those that it had.

        Raises NotUnique where a unique value was taken, and AttributeError for a name that is no
        field or that the layer sets.
        """
        check_fields(self.model, values, changed=True)
        return self._change_one(connection, key, values, expected, restored=True)

    def dependants(self, connection: sa.Connection, key: Any) -> list[str]:
        """The tables whose live rows refer to this one, which is locked until the unit ends.

        With the lock, and with children that take theirs (`missing_references`), none slips in.
        """
        statement = _dependants(self)
        if statement is None:
            return []
        statements.exists(self, include_deleted=False, lock=True).execute(connection, {"key": key})
        return list(connection.execute(statement, {"key": key}).scalars())

    def purge(self, connection: sa.Connection, *, before: datetime, at_most: int) -> list[UUID]:
        """Remove for good rows deleted `before`, to which no row refers; returns their ids."""
        bound = {"before": before, "limit": at_most}
        return list(connection.execute(_purge(self), bound).scalars())

    def _change_one(
        self,
        connection: sa.Connection,
        key: Any,
        values: Mapping[str, Any],
        expected: Collection[int] | None,
        *,
        restored: bool,
    ) -> Record | None:
        names, versioned = tuple(values), expected is not None
        statement = _change(self, names, restored=restored, versioned=versioned)
        bound = {_KEY: key, **statements.bind_new(values)}
        if expected is not None:
            bound[_EXPECTED] = list(expected)
        row = connection.execute(statement, bound).one_or_none()
        if row is not None:
            return row._asdict()
        found = self.record(connection, key, include_deleted=True) if versioned else None
        if found is not None and (found["deleted_at"] is not None) == restored:
            raise VersionMismatch(found["version"])
        return None


@lru_cache(maxsize=512)
def _change(
    reader: Reader[Any], names: tuple[str, ...], *, restored: bool, versioned: bool
) -> ReturningUpdate[Any]:
    """Delete or restore one row, with new values for the fields in `names`."""
    table = reader.model.__table__
    is_deleted = table.c.deleted_at.is_not(None)
    where = [reader.key_column == sa.bindparam(_KEY), is_deleted if restored else ~is_deleted]
    if versioned:
        where.append(table.c.version.in_(sa.bindparam(_EXPECTED, expanding=True)))
    statement = (
        sa.update(table).where(*where).values(deleted_at=None if restored else sa.func.now())
    )
    new = statements.new_values(reader.model, names)
    return statement.values(new).returning(*reader.columns)


def _inbound(reader: Reader[Any]) -> Iterator[sa.ForeignKeyConstraint]:
    """The foreign keys of all tables that refer to this one."""
    table: Any = reader.model.__table__
    for other in table.metadata.sorted_tables:
        keys = dict.fromkeys(key.constraint for key in other.foreign_keys)
        yield from (key for key in keys if key.referred_table is table)


@lru_cache(maxsize=512)
def _dependants(reader: Reader[Any]) -> sa.CompoundSelect[Any] | None:
    found = [
        sa.select(sa.literal(key.table.name).label("name")).where(
            sa.exists().where(*_refers_to(reader, key), *conditions)
        )
        for key in _inbound(reader)
        if (conditions := _blocks(key)) is not None
    ]
    return sa.union(*found).order_by("name") if found else None


def _refers_to(reader: Reader[Any], key: sa.ForeignKeyConstraint) -> list[sa.ColumnElement[bool]]:
    """The conditions on a row that refers to the one whose key is bound."""
    parent: Any = reader.model.__table__.alias()  # it may be the same table
    name = reader.key_column.key
    bound: Any = sa.bindparam("key")
    return [
        each.parent == bound
        if each.column is reader.key_column
        else each.parent
        == sa.select(parent.c[each.column.key]).where(parent.c[name] == bound).scalar_subquery()
        for each in key.elements
    ]


def _blocks(key: sa.ForeignKeyConstraint) -> list[sa.ColumnElement[bool]] | None:
    """The rows with the foreign key that block the deletion of their parent; None: none ever do."""
    marks = {mark: value for column in key.columns for mark, value in column.info.items()}
    if marks.keys() & {OWNED, HISTORY}:
        return None
    conditions = [marks[HISTORY_UNLESS]] if HISTORY_UNLESS in marks else []
    is_deletable = "deleted_at" in key.table.c
    if not is_deletable and LIVE_WHILE not in key.table.info:
        return None
    if not is_deletable:
        conditions.append(key.table.info[LIVE_WHILE])
    given: list[sa.ColumnElement[bool]] = [
        sa.literal_column(f"({condition})", sa.Boolean) for condition in conditions
    ]
    return [key.table.c.deleted_at.is_(None), *given] if is_deletable else given


def _referred_to(key: sa.ForeignKeyConstraint) -> sa.ColumnElement[bool]:
    referring: Any = key.table.alias()  # it may be the same table
    return sa.exists().where(
        *(referring.c[each.parent.key] == each.column for each in key.elements)
    )


@lru_cache(maxsize=512)
def _purge(reader: Reader[Any]) -> ReturningDelete[Any]:
    table, key = reader.model.__table__, reader.key_column
    doomed = (
        sa.select(key)
        .where(table.c.deleted_at < sa.bindparam("before"))
        .where(*(~_referred_to(each) for each in _inbound(reader)))
        .order_by(key)
        .limit(sa.bindparam("limit"))
        .with_for_update(skip_locked=True, of=table)
    )
    return sa.delete(table).where(key.in_(doomed)).returning(key)
