"""Soft deletion, finished: deleted, restored, purged, and never in the way of a live row."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeVar, cast
from uuid import UUID

from sqlalchemy import (
    Boolean,
    ColumnElement,
    CompoundSelect,
    Connection,
    ForeignKeyConstraint,
    Select,
    bindparam,
    delete,
    exists,
    literal,
    literal_column,
    select,
    union,
)
from sqlalchemy.sql.dml import ReturningDelete, ReturningUpdate

from ..errors import VersionMismatch
from ..fields import check_fields
from ..marks import HISTORY, HISTORY_UNLESS, LIVE_WHILE, OWNED
from ..tables import DeletableResource
from . import statements
from .reading import Reader, Record

D = TypeVar("D", bound=DeletableResource)


class Deleter(Reader[D]):
    """Soft deletion, restore and purge of a DeletableResource."""

    @property
    def may_be_in_use(self) -> bool:
        """Whether any table could have rows that `dependants` reports."""
        return _dependants(self) is not None

    def soft_delete(
        self, connection: Connection, key: Any, *, expected: Collection[int] | None = None
    ) -> Record | None:
        """Hide the live row with this id; raises VersionMismatch if it is not at `expected`.

        It checks no references: call `dependants` first, in the same unit.
        """
        statement = statements.soft_delete(self, versioned=expected is not None)
        return self._change_one(connection, statement, key, expected, deleted=False)

    def restore(
        self,
        connection: Connection,
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
        statement = statements.restore(self, tuple(values), versioned=expected is not None)
        new = {f"{statements.NEW}{name}": value for name, value in values.items()}
        return self._change_one(connection, statement, key, expected, new, deleted=True)

    def dependants(self, connection: Connection, key: Any) -> list[str]:
        """The tables whose live rows refer to this one, which is locked until the unit ends.

        With the lock, and with children that take theirs (`missing_references`), none slips in.
        """
        statement = _dependants(self)
        if statement is None:
            return []
        connection.execute(_lock(self), {"key": key})
        return list(connection.execute(statement, {"key": key}).scalars())

    def purge(self, connection: Connection, *, before: datetime, at_most: int) -> list[UUID]:
        """Remove for good what was deleted before then and nothing refers to; returns the ids."""
        bound = {"before": before, "limit": at_most}
        return list(connection.execute(_purge(self), bound).scalars())

    def _change_one(
        self,
        connection: Connection,
        statement: ReturningUpdate[Any],
        key: Any,
        expected: Collection[int] | None,
        values: Mapping[str, Any] = MappingProxyType({}),
        *,
        deleted: bool,
    ) -> Record | None:
        bound = {statements.KEY: key, **values}
        if expected is not None:
            bound[statements.EXPECTED] = list(expected)
        row = connection.execute(statement, bound).one_or_none()
        if row is not None:
            return row._asdict()
        found = None if expected is None else self.record(connection, key, include_deleted=True)
        if found is not None and (found["deleted_at"] is not None) == deleted:
            raise VersionMismatch(found["version"])
        return None


def _inbound(reader: Reader[Any]) -> Iterator[ForeignKeyConstraint]:
    """The foreign keys of all tables that refer to this one."""
    table: Any = reader.model.__table__
    for other in table.metadata.sorted_tables:
        keys = dict.fromkeys(key.constraint for key in other.foreign_keys)
        yield from (key for key in keys if key.referred_table is table)


@lru_cache(maxsize=512)
def _dependants(reader: Reader[Any]) -> CompoundSelect[Any] | None:
    found = [
        select(literal(key.table.name).label("name")).where(
            exists().where(*_refers_to(reader, key), live, *_while(key))
        )
        for key in _inbound(reader)
        if (live := _live(key.table)) is not None and not _marks(key).keys() & {OWNED, HISTORY}
    ]
    return union(*found).order_by("name") if found else None


def _refers_to(reader: Reader[Any], key: ForeignKeyConstraint) -> list[ColumnElement[bool]]:
    """The conditions on a row that refers to the one whose key is bound."""
    parent: Any = reader.model.__table__.alias()  # it may be the same table
    name = reader.key_column.key
    bound: Any = bindparam("key")
    return [
        each.parent == bound
        if each.column is reader.key_column
        else each.parent
        == select(parent.c[each.column.key]).where(parent.c[name] == bound).scalar_subquery()
        for each in key.elements
    ]


def _marks(key: ForeignKeyConstraint) -> dict[Any, Any]:
    return {mark: value for column in key.columns for mark, value in column.info.items()}


def _while(key: ForeignKeyConstraint) -> list[ColumnElement[bool]]:
    condition = _marks(key).get(HISTORY_UNLESS)
    return [] if condition is None else [literal_column(f"({condition})", Boolean)]


def _live(table: Any) -> ColumnElement[bool] | None:
    """Which of its rows are in the way of what they refer to; None: none ever is."""
    if "deleted_at" in table.c:
        return cast("ColumnElement[bool]", table.c.deleted_at.is_(None))
    condition = table.info.get(LIVE_WHILE)
    return None if condition is None else literal_column(condition, Boolean)


@lru_cache(maxsize=512)
def _lock(reader: Reader[Any]) -> Select[Any]:
    return statements.exists(reader, include_deleted=False).with_for_update()


def _referred_to(key: ForeignKeyConstraint) -> ColumnElement[bool]:
    referring: Any = key.table.alias()  # it may be the same table
    return exists().where(*(referring.c[each.parent.key] == each.column for each in key.elements))


@lru_cache(maxsize=512)
def _purge(reader: Reader[Any]) -> ReturningDelete[Any]:
    table, key = reader.model.__table__, reader.key_column
    doomed = (
        select(key)
        .where(table.c.deleted_at < bindparam("before"))
        .where(*(~_referred_to(each) for each in _inbound(reader)))
        .order_by(key)
        .limit(bindparam("limit"))
        .with_for_update(skip_locked=True, of=table)
    )
    return delete(table).where(key.in_(doomed)).returning(key)
