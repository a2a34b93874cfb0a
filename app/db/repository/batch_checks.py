"""What is in the way of many new rows: what they refer to, and what has to be unique."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sqlalchemy import (
    ColumnClause,
    ColumnElement,
    Integer,
    and_,
    bindparam,
    column,
    exists,
    func,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.visitors import replacement_traverse

from ..encoding import ROWS
from ..fields import columns_of, field_of, fields_of
from ..tables import Base
from .reading import Reader
from .rows import names_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from sqlalchemy import Connection, Index, Select, TableValuedAlias

    from .rows import Rows

    Place = tuple[int, str]  # a row's position, and the field

M = TypeVar("M", bound=Base)


class BatchChecker(Reader[M]):
    def missing_among(
        self, connection: Connection, rows: Rows, only: Collection[str] | None = None
    ) -> list[Place]:
        """What refers to no live row, by all fields or some; what is referred to stays live.

        A statement per field locks the parents FOR SHARE, in the order of their ids.
        """
        missing = []
        for name, statement in _parents(self).items():
            given = {at: row[name] for at, row in enumerate(rows) if row.get(name) is not None}
            if given and (only is None or name in only):
                bound = {"keys": list(set(given.values()))}
                found = set(connection.execute(statement, bound).scalars())
                missing += [(at, name) for at, key in given.items() if key not in found]
        return missing

    def taken_among(self, connection: Connection, rows: Rows) -> list[Place]:
        """What has to be unique and is not: a live row has it, or one of these before."""
        names = names_of(rows)[0] if rows else ()
        indexes = [index for index in _unique(self) if set(fields_of(index)) <= set(names)]
        if not indexes:
            return []
        fields = {name for index in indexes for name in fields_of(index)}
        given = [
            {"position": at, **{name: row.get(name) for name in fields}}
            for at, row in enumerate(rows)
        ]
        found = connection.execute(_taken(self, tuple(sorted(fields))), {ROWS: given})
        return [
            (row.position, name)
            for row in found
            for index in indexes
            if getattr(row, str(index.name))
            for name in fields_of(index)
        ]


def given_rows(columns: Sequence[ColumnClause[Any]]) -> TableValuedAlias:
    rows = func.jsonb_to_recordset(bindparam(ROWS, type_=JSONB)).table_valued(*columns)
    return rows.render_derived(name="given", with_types=True)


def _unique(reader: Reader[Any]) -> list[Index]:
    table: Any = reader.model.__table__
    return sorted((index for index in table.indexes if index.unique), key=lambda i: str(i.name))


@lru_cache(maxsize=512)
def _parents(reader: Reader[Any]) -> dict[str, Select[Any]]:
    found = {}
    for name, referring in columns_of(reader.model).items():
        for key in referring.foreign_keys:
            parent = key.column.table
            statement = select(key.column).where(key.column.in_(bindparam("keys", expanding=True)))
            if "deleted_at" in parent.c:
                statement = statement.where(parent.c.deleted_at.is_(None))
            statement = statement.order_by(key.column).with_for_update(read=True)
            found[name] = statement
    return found


@lru_cache(maxsize=512)
def _taken(reader: Reader[Any], names: tuple[str, ...]) -> Select[Any]:
    columns = columns_of(reader.model)
    given = given_rows([column("position", Integer), *(column(n, columns[n].type) for n in names)])
    indexes = [index for index in _unique(reader) if set(fields_of(index)) <= set(names)]
    told = select(given.c.position, *(_is_taken(index, given) for index in indexes)).subquery()
    return (
        select(told)
        .where(or_(*(told.c[str(index.name)] for index in indexes)))
        .order_by(told.c.position)
    )


def _is_taken(index: Index, given: TableValuedAlias) -> ColumnElement[bool]:
    """Every new row is one that the condition of a partial index is about.

    A column of the index that is none of its fields is NULL in every new row.
    """
    expressions = cast("list[ColumnElement[Any]]", index.expressions)
    by_default = [each for each in expressions if _is_left_out(each, given)]
    fields = [each for each in expressions if not _is_left_out(each, given)]
    values: list[Any] = list(_of_given(fields, given))
    same = [ours == value for ours, value in zip(fields, values, strict=True)]
    same += [ours.is_(None) for ours in by_default]
    condition = index.dialect_options["postgresql"]["where"]
    taken = exists().where(*same, *(() if condition is None else (condition,)))
    before = func.row_number().over(partition_by=values, order_by=given.c.position) > 1
    known = and_(*(value.is_not(None) for value in values))
    return and_(known, or_(before, taken.correlate(given))).label(str(index.name))


def _is_left_out(expression: ColumnElement[Any], given: TableValuedAlias) -> bool:
    return isinstance(expression, ColumnClause) and field_of(expression) not in given.c


def _of_given(expressions: Sequence[ColumnElement[Any]], given: TableValuedAlias) -> Iterator[Any]:
    """What is indexed, of the rows that are given."""

    def replace(element: Any, **_: Any) -> Any:
        return given.c[field_of(element)] if isinstance(element, ColumnClause) else None

    for expression in expressions:
        yield replacement_traverse(expression, {}, replace)
