"""The statements of the generic repository.

Building a statement costs as much as running it, so it is built once and kept: for good where the
code decides what is asked for, and by `prepared` where a client does.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from ..errors import InvalidCriterion
from ..fields import columns_of, key_of
from ..marks import INCLUDE_DELETED, SAYS_LIVE
from ..prepared import WRITTEN_IDS, WRITTEN_JSON, Prepared
from ..tables import Base, SoftDeleted
from . import criteria, large_values, pages, searching
from .pages import Query
from .shape_cache import ShapeCache

if TYPE_CHECKING:
    from .declarations import Declarations

# Before the names of bind parameters: one with the name of a column would set that column.
NEW = "uw_new_"

_OF_CLIENTS = ShapeCache(256)


class Shape(NamedTuple):
    """All that the statement of a list depends on. `ends` are those of the cursor's values in their
    columns. A budget limits the large values, but those `left_out`, where that is not None."""

    filters: tuple[str, ...]  # their names, sorted
    words: int = 0  # how many are searched for
    sort: tuple[pages.Sort, ...] = ()
    ends: tuple[pages.End, ...] | None = None
    include_deleted: bool = False
    left_out: frozenset[str] | None = None
    written_ids: bool = False
    entities: bool = False


def prepared(
    build: Callable[..., sa.Executable], reader: Declarations[Any], shape: Hashable
) -> Prepared:
    """The statement `build(reader, shape)`, kept if it is asked for often."""
    key = build, type(reader), shape
    casts = _casts(shape) if build is page and isinstance(shape, Shape) else ()
    return _OF_CLIENTS.get(key, lambda: Prepared(build(reader, shape), casts))


def _casts(shape: Shape) -> tuple[Any, ...]:
    json = () if shape.left_out is None else (WRITTEN_JSON,)
    return (*json, WRITTEN_IDS) if shape.written_ids else json


def shape(query: Query, *, entities: bool = False) -> Shape:
    ends = None if query.after is None else tuple(map(pages.end_of, query.after))
    filters, words = tuple(sorted(query.filters)), len(searching.words(query.search))
    left_out = None if query.most_bytes is None else query.without
    return Shape(
        filters,
        words,
        query.sort,
        ends,
        query.include_deleted,
        left_out,
        query.written_ids,
        entities,
    )


def live(model: type[Base], *, include_deleted: bool = False) -> list[sa.ColumnElement[bool]]:
    if include_deleted or not issubclass(model, SoftDeleted):
        return []
    return [model.__table__.c.deleted_at.is_(None)]


def new_values(model: type[Base], names: Iterable[str]) -> dict[sa.Column[Any], Any]:
    """The values of an UPDATE, which `bind_new` binds."""
    columns = columns_of(model)
    return {columns[n]: sa.bindparam(f"{NEW}{n}", type_=columns[n].type) for n in names}


def bind_new(values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{NEW}{name}": value for name, value in values.items()}


def _by_key(model: type[Base], *, many: bool) -> sa.ColumnElement[bool]:
    key = key_of(model)
    if many:
        return key == sa.any_(sa.bindparam("keys", type_=sa.ARRAY(key.type)))
    return key == sa.bindparam("key")


@lru_cache(maxsize=512)
def get(model: type[Base], *, many: bool, lock: bool, include_deleted: bool) -> sa.Select[Any]:
    """The entity with the `key`, or those with the `keys`, in their order."""
    statement = sa.select(model).where(
        _by_key(model, many=many), *live(model, include_deleted=include_deleted)
    )
    if many:
        statement = statement.order_by(key_of(model))
    if lock:  # what is loaded may be stale: only values that are read under the lock are safe
        statement = statement.with_for_update(key_share=True)
        statement = statement.execution_options(populate_existing=True)
    return statement.execution_options(**_which(include_deleted=include_deleted))


@lru_cache(maxsize=512)
def find(reader: Declarations[Any], names: tuple[str, ...]) -> sa.Select[Any]:
    """At most two rows: the second one shows that the filters are not unique."""
    if not names:
        raise InvalidCriterion("filters", "At least one filter is required.")
    statement = matching(reader, Shape(names, entities=True)).limit(2)
    return statement.execution_options(**_which(include_deleted=False))


def _records(reader: Declarations[Any], *, many: bool, include_deleted: bool) -> sa.Select[Any]:
    model = reader.model
    return sa.select(*reader.columns).where(
        _by_key(model, many=many), *live(model, include_deleted=include_deleted)
    )


@lru_cache(maxsize=512)
def record(
    reader: Declarations[Any], *, many: bool = False, include_deleted: bool = False
) -> Prepared:
    """The record with the `key`, or those with the `keys`."""
    return Prepared(_records(reader, many=many, include_deleted=include_deleted))


@lru_cache(maxsize=512)
def bounded_by_id(reader: Declarations[Any]) -> Prepared:
    """The records with the `keys`, in their order, with large values while the budget lasts."""
    key = reader.key_column
    keys = sa.bindparam("keys", type_=sa.ARRAY(key.type))
    statement = sa.select(*reader.columns).where(key == sa.any_(keys), *live(reader.model))
    statement = statement.order_by(sa.func.array_position(keys, key))
    return Prepared(large_values.bounded(statement, reader.large_columns), (WRITTEN_JSON,))


@lru_cache(maxsize=512)
def exists(reader: Declarations[Any], *, include_deleted: bool, lock: bool = False) -> Prepared:
    """One row if there is one with the `key`."""
    found = _records(reader, many=False, include_deleted=include_deleted)
    found = found.with_only_columns(sa.literal(1), maintain_column_froms=True)
    return Prepared(found.with_for_update() if lock else found)


def insert_one(reader: Declarations[Any], names: tuple[str, ...]) -> sa.Insert:
    """A row with values for these fields; returns all that an entity of it has loaded."""
    model: type[Base] = reader.model
    columns = columns_of(model)
    values = {columns[n]: sa.bindparam(n, type_=columns[n].type) for n in names}
    loaded = [each for each in sa.inspect(model).column_attrs if not each.deferred]
    found = [columns[each.key].label(each.key) for each in loaded]
    return sa.insert(model.__table__).values(values).returning(*found)


def page(reader: Declarations[Any], shape: Shape) -> sa.Select[Any]:
    """The rows of a page and one more, which shows whether there is a next page."""
    statement = everything(reader, shape)
    if shape.ends is not None:
        statement = statement.where(pages.after(_keys(reader, shape), shape.ends))
    statement = statement.limit(sa.bindparam("limit"))
    if shape.left_out is None:
        return statement
    statement = large_values.without(statement, shape.left_out)
    return large_values.bounded(statement, reader.large_columns - shape.left_out)


def slice_(reader: Declarations[Any], shape: Shape) -> sa.Select[Any]:
    statement = everything(reader, shape).limit(sa.bindparam("limit"))
    return statement.offset(sa.bindparam("offset"))


def everything(reader: Declarations[Any], shape: Shape) -> sa.Select[Any]:
    """All rows that match, in the order of the query."""
    statement = matching(reader, shape).order_by(*pages.order_by(_keys(reader, shape)))
    if shape.entities:
        statement = statement.execution_options(**_which(include_deleted=shape.include_deleted))
    return statement


def _which(*, include_deleted: bool) -> dict[str, bool]:
    """Execution options: the session adds no condition to a statement that has one itself."""
    return {INCLUDE_DELETED: True} if include_deleted else {SAYS_LIVE: True}


def _keys(reader: Declarations[Any], shape: Shape) -> list[tuple[sa.ColumnElement[Any], bool]]:
    """Only records can be sorted by the rank of a search."""
    sorts = reader.sorts_of(search=not shape.entities and shape.words > 0)
    return pages.order(sorts, shape.sort, reader.key_column)


def matching(reader: Declarations[Any], shape: Shape) -> sa.Select[Any]:
    record = (*reader.columns, *searching.columns(reader.searched, shape.words))
    selected: tuple[Any, ...] = (reader.model,) if shape.entities else record
    return (
        sa.select(*selected)
        .where(*live(reader.model, include_deleted=shape.include_deleted))
        .where(*criteria.clauses(reader.filters, shape.filters))
        .where(*searching.conditions(reader.searched, shape.words))
    )
