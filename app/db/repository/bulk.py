"""Many rows at once, always in one statement: no loop of INSERTs, no UPDATE of everything."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Index,
    bindparam,
    column,
    delete,
    func,
    insert,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as insert_or_update
from uuid_utils.compat import uuid7

from ..copying import copy_lines
from ..errors import InvalidCriterion, TooManyRows
from ..tables import Resource
from . import criteria, statements
from .pages import Sort, order, order_by
from .reading import Reader, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import Connection, Insert, Select
    from sqlalchemy.sql.dml import ReturningDelete, ReturningInsert, ReturningUpdate

R = TypeVar("R", bound=Resource)


class BulkWriter(Reader[R]):
    def insert_many(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> list[UUID]:
        """Insert rows that all have the same fields; returns their ids, in their order."""
        if not rows:
            return []
        complete = [{"id": uuid7(), **row} for row in rows]
        fields = tuple(complete[0])
        self._check_fields(fields)
        if any(row.keys() != complete[0].keys() for row in complete):
            raise ValueError("All rows must have the same fields.")
        connection.execute(_insert_many(self, fields), {"rows": complete})
        return [row["id"] for row in complete]

    def copy(
        self, connection: Connection, fields: Sequence[str], rows: Iterable[Sequence[Any]]
    ) -> int:
        """COPY rows of values, in the order of `fields`, as they come; returns how many.

        Memory does not grow with the rows. Ids are made here unless they are among the fields.
        """
        named = tuple(fields)
        self._check_fields(named)
        if "id" not in named:
            named, rows = ("id", *named), ((uuid7(), *row) for row in rows)
        table = self.model.__table__
        quoted = connection.dialect.identifier_preparer
        names = ", ".join(quoted.quote(table.c[name].name) for name in named)
        statement = text(f"COPY {quoted.format_table(table)} ({names}) FROM STDIN")
        lines = copy_lines([table.c[name].type for name in named], rows)
        return connection.execute(statement.execution_options(copy_from=lines)).rowcount

    def upsert(
        self, connection: Connection, values: Mapping[str, Any], *, on: Sequence[str]
    ) -> tuple[Record, bool]:
        """Insert, or update the live row with the same `on`; returns it and whether it is new.

        `on` names the fields of a declared unique index; PostgreSQL itself decides the race.
        """
        self._check_fields(values)
        statement = _upsert(self, tuple(values), tuple(on))
        row = connection.execute(statement, {"id": uuid7(), **values}).one()._asdict()
        return row, row.pop("created")

    def update_where(
        self, connection: Connection, values: Mapping[str, Any], *, at_most: int, **filters: Any
    ) -> list[UUID]:
        """Update the live rows that fit, locked in the order of their ids; returns the ids.

        Raises TooManyRows, and so undoes the unit, where more than `at_most` fit.
        """
        self._check_changes(values)
        bound = {f"set_{name}": value for name, value in values.items()}
        statement = _update_where(self, tuple(values), tuple(sorted(filters)))
        return self._mass(connection, statement, {**bound, **self._bind(filters)}, at_most)

    def delete(self, connection: Connection, *, at_most: int, **filters: Any) -> list[UUID]:
        """Remove the live rows that fit, for good; as `update_where`."""
        return self._mass(
            connection, _delete(self, tuple(sorted(filters))), self._bind(filters), at_most
        )

    def claim(
        self,
        connection: Connection,
        values: Mapping[str, Any],
        *,
        limit: int,
        sort: Sequence[Sort] = (Sort("created_at"),),
        **filters: Any,
    ) -> list[Record]:
        """Take up to `limit` rows that nobody else holds, first come first; set `values` on them.

        Rows that another unit has locked are passed over, not waited for.
        """
        self._check_changes(values)
        statement = _claim(self, tuple(values), tuple(sort), tuple(sorted(filters)))
        bound = {f"set_{name}": value for name, value in values.items()}
        rows = connection.execute(statement, {**bound, **self._bind(filters), "limit": limit})
        return [row._asdict() for row in rows]

    def _mass(
        self,
        connection: Connection,
        statement: ReturningUpdate[Any] | ReturningDelete[Any],
        bound: dict[str, Any],
        at_most: int,
    ) -> list[UUID]:
        ids = list(connection.execute(statement, {**bound, "limit": at_most + 1}).scalars())
        if len(ids) > at_most:
            raise TooManyRows(at_most)
        return ids

    def _check_changes(self, values: Mapping[str, Any]) -> None:
        if not values:
            raise ValueError("A mass write must say what to change.")
        self._check_fields(values)

    def _check_fields(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self.model.__table__.c:
                raise AttributeError(f"{self.model.__name__} has no column {name}")


@lru_cache(maxsize=512)
def _insert_many(writer: BulkWriter[Any], fields: tuple[str, ...]) -> Insert:
    table = writer.model.__table__
    rows = (
        func.jsonb_to_recordset(bindparam("rows", type_=JSONB))
        .table_valued(*(column(name, table.c[name].type) for name in fields))
        .render_derived(name="rows", with_types=True)
    )
    return insert(table).from_select(fields, select(*(rows.c[name] for name in fields)))


@lru_cache(maxsize=512)
def _upsert(
    writer: BulkWriter[Any], fields: tuple[str, ...], on: tuple[str, ...]
) -> ReturningInsert[Any]:
    table = writer.model.__table__
    index = _unique_index(writer, on)
    values = {name: bindparam(name, type_=table.c[name].type) for name in ("id", *fields)}
    statement = insert_or_update(table).values(values)
    changed = {name: statement.excluded[name] for name in fields if name not in ("id", *on)}
    where = index.dialect_options["postgresql"]["where"]
    statement = statement.on_conflict_do_update(
        index_elements=list(index.expressions),
        index_where=where,
        set_=changed or {on[0]: statement.excluded[on[0]]},
    )
    # Only a row that was there before has been locked by this statement.
    created = literal_column("(xmax = 0)", Boolean).label("created")
    return statement.returning(*writer.columns, created)


def _unique_index(writer: BulkWriter[Any], on: tuple[str, ...]) -> Index:
    for index in writer.model.__table__.indexes:
        fields = index.info.get("fields") or tuple(index.columns.keys())
        if index.unique and fields == on:
            found: Index = index
            return found
    raise LookupError(f"{writer.model.__name__} has no unique index on {', '.join(on)}.")


@lru_cache(maxsize=512)
def _update_where(
    writer: BulkWriter[Any], fields: tuple[str, ...], names: tuple[str, ...]
) -> ReturningUpdate[Any]:
    table = writer.model.__table__
    values = {name: bindparam(f"set_{name}", type_=table.c[name].type) for name in fields}
    wanted = _targets(writer, names)
    return update(table).where(table.c.id.in_(wanted)).values(values).returning(table.c.id)


@lru_cache(maxsize=512)
def _delete(writer: BulkWriter[Any], names: tuple[str, ...]) -> ReturningDelete[Any]:
    table = writer.model.__table__
    return delete(table).where(table.c.id.in_(_targets(writer, names))).returning(table.c.id)


def _targets(writer: BulkWriter[Any], names: tuple[str, ...]) -> Select[Any]:
    table = writer.model.__table__
    return (
        select(table.c.id)
        .where(*_wanted(writer, names))
        .order_by(table.c.id)
        .limit(bindparam("limit"))
        .with_for_update(key_share=True)
    )


@lru_cache(maxsize=512)
def _claim(
    writer: BulkWriter[Any], fields: tuple[str, ...], sort: tuple[Sort, ...], names: tuple[str, ...]
) -> Select[Any]:
    table = writer.model.__table__
    keys = order_by(order(writer.sorts, sort, table.c.id))
    free = (
        select(table.c.id)
        .where(*_wanted(writer, names))
        .order_by(*keys)
        .limit(bindparam("limit"))
        .with_for_update(skip_locked=True, key_share=True)
        .cte("free")
    )
    values = {name: bindparam(f"set_{name}", type_=table.c[name].type) for name in fields}
    statement = update(table).where(table.c.id == free.c.id).values(values)
    taken = statement.returning(*writer.columns).cte("taken")
    by_name = [
        taken.c[sort_.name].desc() if sort_.descending else taken.c[sort_.name] for sort_ in sort
    ]
    return select(taken).order_by(*by_name, taken.c.id)


def _wanted(writer: BulkWriter[Any], names: tuple[str, ...]) -> list[ColumnElement[bool]]:
    if not names:
        raise InvalidCriterion("filters", "A mass write needs at least one filter.")
    return [*statements.live(writer.model), *criteria.clauses(writer.filters, names)]
