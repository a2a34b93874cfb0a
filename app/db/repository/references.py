"""The rows that new rows refer to, and those that have their unique values already."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.visitors import replacement_traverse

from ..encoding import ROWS
from ..fields import Unique, columns_of, field_of, references_of, unique_on, uniques_of
from ..prepared import Prepared
from ..tables import M
from .reading import Reader
from .rows import Rows, names_of

Place = tuple[int, str]  # a row's position, and the field


class ReferenceChecker(Reader[M]):
    """Finds what blocks a new row, or a changed one."""

    def missing_references(self, connection: sa.Connection, values: Mapping[str, Any]) -> list[str]:
        """The fields in `values` that refer to no live row; those they refer to stay live.

        Each parent is locked FOR SHARE until the unit ends: it can't be deleted meanwhile. A
        foreign key of several columns refers to a row where none of them is None.
        """
        missing: list[str] = []
        for names, statement in _parents(self, many=False).items():
            bound = {f"its_{name}": values.get(name) for name in names}
            if None in bound.values():
                continue
            if not statement.rows(connection, bound):
                missing += names
        return missing

    def existing_key(
        self, connection: sa.Connection, fields: tuple[str, ...], values: Mapping[str, Any]
    ) -> Any | None:
        """The key of the live row that has these unique values, None where nobody has them now.

        `fields` are those of a NotUnique error. Columns of the index that `values` lack count as
        unknown: the answer is None.
        """
        unique = unique_on(self.model.__table__, fields)
        if unique is None or not set(unique.columns) <= values.keys():
            return None
        bound = {f"its_{name}": values[name] for name in unique.columns}
        return _existing(self, fields).scalar(connection, bound)


class BatchChecker(Reader[M]):
    """As ReferenceChecker, for many new rows."""

    def missing_among(
        self, connection: sa.Connection, rows: Rows, only: Collection[str] | None = None
    ) -> list[Place]:
        """The positions and fields that refer to no live row; the rows they refer to stay live.

        `only` names the fields to check; None: all of them.

        A statement per foreign key locks the parents FOR SHARE, in the order of their keys.
        """
        missing: list[Place] = []
        for names, statement in _parents(self, many=True).items():
            if only is not None and not set(names) <= set(only):
                continue
            keys = {at: tuple(row.get(name) for name in names) for at, row in enumerate(rows)}
            given = {at: key for at, key in keys.items() if None not in key}
            if given:
                bound = {"keys": list(set(given.values()))}
                found = set(statement.rows(connection, bound))
                missing += [(at, n) for at, key in given.items() if key not in found for n in names]
        return missing

    def taken_among(self, connection: sa.Connection, rows: Rows) -> list[Place]:
        """The positions and fields whose unique value a live row, or an earlier one, has."""
        names = names_of(rows)[0] if rows else ()
        uniques = _uniques_in(self, names)
        if not uniques:
            return []
        fields = {name for unique in uniques for name in unique.fields}
        given = [
            {"position": at, **{name: row.get(name) for name in fields}}
            for at, row in enumerate(rows)
        ]
        found = _taken(self, tuple(sorted(fields))).records(connection, {ROWS: given})
        return [
            (row["position"], name)
            for row in found
            for unique in uniques
            if row[unique.name]
            for name in unique.fields
        ]


def given_rows(columns: Sequence[sa.ColumnClause[Any]]) -> sa.TableValuedAlias:
    rows = sa.func.jsonb_to_recordset(sa.bindparam(ROWS, type_=JSONB)).table_valued(*columns)
    return rows.render_derived(name="given", with_types=True)


@lru_cache(maxsize=512)
def _parents(reader: Reader[Any], *, many: bool) -> dict[tuple[str, ...], Prepared]:
    """A statement for each foreign key, which locks the live rows with one key, or with `keys`."""
    found = {}
    for names, key in references_of(reader.model).items():
        columns = [each.column for each in key.elements]
        wanted: sa.ColumnElement[bool]
        if many:
            wanted = sa.tuple_(*columns).in_(sa.bindparam("keys", expanding=True))
        else:
            pairs = zip(columns, names, strict=True)
            wanted = sa.and_(*(column == sa.bindparam(f"its_{name}") for column, name in pairs))
        statement = sa.select(*columns).where(wanted)
        if "deleted_at" in key.referred_table.c:
            statement = statement.where(key.referred_table.c.deleted_at.is_(None))
        found[names] = Prepared(statement.order_by(*columns).with_for_update(read=True))
    return found


def _with_values(
    expression: sa.ColumnElement[Any], value_of: Callable[[sa.ColumnClause[Any]], Any]
) -> sa.ColumnElement[Any]:
    """The expression of an index, with values in place of its columns."""

    def replace(element: Any, **_: Any) -> Any:
        return value_of(element) if isinstance(element, sa.ColumnClause) else None

    replaced: sa.ColumnElement[Any] = replacement_traverse(expression, {}, replace)
    return replaced


@lru_cache(maxsize=512)
def _existing(reader: Reader[Any], fields: tuple[str, ...]) -> Prepared:
    def bind(element: sa.ColumnClause[Any]) -> Any:
        return sa.bindparam(f"its_{field_of(element)}", type_=element.type)

    unique: Any = unique_on(reader.model.__table__, fields)
    same = [each == _with_values(each, bind) for each in unique.expressions]
    return Prepared(sa.select(reader.key_column).where(*same, *unique.condition))


def _uniques_in(reader: Reader[Any], names: Collection[str]) -> list[Unique]:
    """The unique indexes and constraints, but the key, whose fields are all among `names`."""
    uniques = uniques_of(reader.model.__table__)
    key = (reader.key_field,)
    return [each for each in uniques if each.fields != key and set(each.fields) <= set(names)]


@lru_cache(maxsize=512)
def _taken(reader: Reader[Any], names: tuple[str, ...]) -> Prepared:
    columns = columns_of(reader.model)
    given = given_rows(
        [sa.column("position", sa.Integer), *(sa.column(n, columns[n].type) for n in names)]
    )
    conflicts = [_is_taken(unique, given) for unique in _uniques_in(reader, names)]
    found = sa.select(given.c.position, *conflicts).subquery()
    is_taken = sa.or_(*(found.c[conflict.name] for conflict in conflicts))
    return Prepared(sa.select(found).where(is_taken).order_by(found.c.position))


def _is_taken(unique: Unique, given: sa.TableValuedAlias) -> Any:
    """Every new row is one that the condition of a partial index is about.

    A column of the index that is none of its fields is NULL in every new row.
    """
    left_out = [each for each in unique.expressions if _is_left_out(each, given)]
    fields = [each for each in unique.expressions if not _is_left_out(each, given)]
    values = [_with_values(each, lambda found: given.c[field_of(found)]) for each in fields]
    same = [ours == value for ours, value in zip(fields, values, strict=True)]
    same += [ours.is_(None) for ours in left_out]
    taken = sa.exists().where(*same, *unique.condition)
    before = sa.func.row_number().over(partition_by=values, order_by=given.c.position) > 1
    known = sa.and_(*(value.is_not(None) for value in values))
    return sa.and_(known, sa.or_(before, taken.correlate(given))).label(unique.name)


def _is_left_out(expression: sa.ColumnElement[Any], given: sa.TableValuedAlias) -> bool:
    return isinstance(expression, sa.ColumnClause) and field_of(expression) not in given.c
