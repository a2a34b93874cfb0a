"""What is in the way of many new rows: what they refer to, and what has to be unique."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar, cast

from sqlalchemy import (
    ColumnClause,
    ColumnElement,
    Connection,
    Index,
    Integer,
    Select,
    TableValuedAlias,
    and_,
    bindparam,
    column,
    exists,
    func,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.visitors import replacement_traverse

from ..encoding import ROWS
from ..fields import columns_of, field_of, fields_of, references_of
from ..tables import Base
from .reading import Reader
from .rows import Rows, names_of

Place = tuple[int, str]  # a row's position, and the field


M = TypeVar("M", bound=Base)


class BatchChecker(Reader[M]):
    def missing_among(
        self, connection: Connection, rows: Rows, only: Collection[str] | None = None
    ) -> list[Place]:
        """What refers to no live row, by all fields or some; what is referred to stays live.

        A statement per foreign key locks the parents FOR SHARE, in the order of their keys.
        """
        missing = []
        for names, statement in _parents(self).items():
            if only is not None and not set(names) <= set(only):
                continue
            keys = {at: tuple(row.get(name) for name in names) for at, row in enumerate(rows)}
            given = {at: key for at, key in keys.items() if None not in key}
            if given:
                found = set(map(tuple, connection.execute(statement, _distinct(given))))
                missing += [(at, n) for at, key in given.items() if key not in found for n in names]
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
def _parents(reader: Reader[Any]) -> dict[tuple[str, ...], Select[Any]]:
    found = {}
    for names, key in references_of(reader.model).items():
        columns = [each.column for each in key.elements]
        wanted = tuple_(*columns).in_(bindparam("keys", expanding=True))
        statement = select(*columns).where(wanted)
        if "deleted_at" in key.referred_table.c:
            statement = statement.where(key.referred_table.c.deleted_at.is_(None))
        found[names] = statement.order_by(*columns).with_for_update(read=True)
    return found


def _distinct(keys: Mapping[int, tuple[Any, ...]]) -> dict[str, list[Any]]:
    return {"keys": list(set(keys.values()))}


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
