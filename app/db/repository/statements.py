"""The statements of the generic repository.

Building a statement costs as much as running it, so it is built once and kept: for good where the
code decides what is asked for, and by `prepared` where a client does.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ARRAY,
    ClauseElement,
    ColumnElement,
    Executable,
    Select,
    any_,
    bindparam,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import ReturningUpdate

from ..errors import InvalidCriterion
from ..fields import columns_of, key_of
from ..marks import INCLUDE_DELETED, SAYS_LIVE
from ..tables import Base
from ..visibility import SoftDeleted
from . import criteria, large_values, pages, searching
from .pages import Query
from .shape_cache import Prepared, ShapeCache

if TYPE_CHECKING:
    from .records import RecordReader

# Bind parameters of an UPDATE. One with the name of a column would set that column.
KEY, EXPECTED, NEW = "uw_key", "uw_expected", "uw_new_"

# Saying by itself which rows are live spares a statement the cost of having it added.
_SAYS_LIVE = {SAYS_LIVE: True}

_OF_CLIENTS = ShapeCache(256)

Shape = tuple[tuple[str, ...], int, tuple[pages.Sort, ...], tuple[pages.End, ...] | None, bool]
"""Names of the filters, sorted; number of words to search; sorts; where the cursor's values stand
in their columns; whether deleted rows are included."""


def prepared(
    build: Callable[..., Executable], reader: RecordReader[Any], shape: Hashable, **options: bool
) -> Prepared:
    """The statement `build(reader, shape, **options)`, kept if it is asked for often."""
    key: tuple[object, ...] = (build, type(reader), shape, *options.items())
    return _OF_CLIENTS.get(key, lambda: build(reader, shape, **options))


def shape(query: Query) -> Shape:
    ends = None if query.after is None else tuple(map(pages.end_of, query.after))
    return (
        tuple(sorted(query.filters)),
        len(searching.words(query.search)),
        query.sort,
        ends,
        query.include_deleted,
    )


def live(model: type[Base], *, include_deleted: bool = False) -> list[ColumnElement[bool]]:
    if include_deleted or not issubclass(model, SoftDeleted):
        return []
    return [model.__table__.c.deleted_at.is_(None)]


@lru_cache(maxsize=512)
def get(model: type[Base], *, lock: bool, include_deleted: bool) -> Select[Any]:
    statement = select(model).where(
        key_of(model) == bindparam("key"), *live(model, include_deleted=include_deleted)
    )
    if lock:  # what is loaded already may be stale: a lock is worth nothing without a new read
        statement = statement.with_for_update(key_share=True)
        statement = statement.execution_options(populate_existing=True)
    return statement.execution_options(**_which(include_deleted=include_deleted))


@lru_cache(maxsize=512)
def get_many(model: type[Base], *, lock: bool) -> Select[Any]:
    key = key_of(model)
    statement = select(model).where(key.in_(bindparam("keys", expanding=True)), *live(model))
    statement = statement.order_by(key)
    if lock:
        statement = statement.with_for_update(key_share=True)
        statement = statement.execution_options(populate_existing=True)
    return statement.execution_options(**_SAYS_LIVE)


@lru_cache(maxsize=512)
def find(repository: RecordReader[Any], names: tuple[str, ...]) -> Select[Any]:
    if not names:
        raise InvalidCriterion("filters", "At least one filter is required.")
    model = repository.model
    statement = select(model).where(*live(model), *criteria.clauses(repository.filters, names))
    return statement.limit(2).execution_options(
        **_SAYS_LIVE
    )  # the second shows that it is not unique


@lru_cache(maxsize=512)
def record(repository: RecordReader[Any], *, include_deleted: bool) -> Select[Any]:
    model = repository.model
    return select(*repository.columns).where(
        repository.key_column == bindparam("key"), *live(model, include_deleted=include_deleted)
    )


@lru_cache(maxsize=512)
def by_id(repository: RecordReader[Any]) -> Select[Any]:
    model = repository.model
    return select(*repository.columns).where(
        repository.key_column.in_(bindparam("keys", expanding=True)), *live(model)
    )


@lru_cache(maxsize=512)
def bounded_by_id(repository: RecordReader[Any]) -> Select[Any]:
    """As `by_id`, in the order of the `keys`, with large values as long as the budget lasts."""
    key = repository.key_column
    keys = bindparam("keys", type_=ARRAY(key.type))
    statement = select(*repository.columns).where(key == any_(keys), *live(repository.model))
    statement = statement.order_by(func.array_position(keys, key))
    large = repository.large_columns
    return large_values.bounded(statement, large) if large else statement


@lru_cache(maxsize=512)
def exists(repository: RecordReader[Any], *, include_deleted: bool) -> Select[Any]:
    return record(repository, include_deleted=include_deleted).with_only_columns(
        literal(1), maintain_column_froms=True
    )


def page(repository: RecordReader[Any], shape: Shape, *, entities: bool = False) -> Select[Any]:
    """The rows of a page and one more, which tells whether there is a next page."""
    statement = everything(repository, shape, entities=entities)
    if (ends := shape[3]) is not None:
        statement = statement.where(pages.after(_keys(repository, shape, entities=entities), ends))
    return statement.limit(bindparam("limit"))


def bounded_page(repository: RecordReader[Any], asked: tuple[Shape, frozenset[str]]) -> Select[Any]:
    """As `page`, with the large values that are asked for as long as the budget lasts."""
    shape, left_out = asked
    statement = large_values.without(page(repository, shape), left_out)
    large = repository.large_columns - left_out
    return large_values.bounded(statement, large) if large else statement


def slice_(repository: RecordReader[Any], shape: Shape, *, entities: bool = False) -> Select[Any]:
    statement = everything(repository, shape, entities=entities)
    return statement.limit(bindparam("limit")).offset(bindparam("offset"))


def everything(
    repository: RecordReader[Any], shape: Shape, *, entities: bool = False
) -> Select[Any]:
    """All rows that match, in the order of the query."""
    keys = _keys(repository, shape, entities=entities)
    statement = matching(repository, shape, entities=entities).order_by(*pages.order_by(keys))
    if entities:
        statement = statement.execution_options(**_which(include_deleted=shape[4]))
    return statement


def _which(*, include_deleted: bool) -> dict[str, bool]:
    return {INCLUDE_DELETED: True} if include_deleted else _SAYS_LIVE


def _keys(
    repository: RecordReader[Any], shape: Shape, *, entities: bool
) -> list[tuple[ColumnElement[Any], bool]]:
    """Entities have no rank."""
    sorts = repository.sorts_of(search=not entities and shape[1] > 0)
    return pages.order(sorts, shape[2], repository.key_column)


def matching(repository: RecordReader[Any], shape: Shape, *, entities: bool = False) -> Select[Any]:
    names, word_count, _, _, include_deleted = shape
    searched = repository.searched
    record = (*repository.columns, *searching.columns(searched, word_count))
    selected: tuple[Any, ...] = (repository.model,) if entities else record
    return (
        select(*selected)
        .where(*live(repository.model, include_deleted=include_deleted))
        .where(*criteria.clauses(repository.filters, names))
        .where(*searching.conditions(searched, word_count))
    )


def count_all(repository: RecordReader[Any], shape: Shape) -> Select[Any]:
    every = matching(repository, shape)
    return every.with_only_columns(func.count(), maintain_column_froms=True)


@lru_cache(maxsize=512)
def count(repository: RecordReader[Any], names: tuple[str, ...]) -> Select[Any]:
    every = matching(repository, (names, 0, (), None, False))
    return every.with_only_columns(func.count(), maintain_column_froms=True)


class explain(Executable, ClauseElement):  # noqa: N801 - reads like select()
    """What the planner expects of a SELECT, as JSON."""

    inherit_cache = False

    def __init__(self, statement: Select[Any]) -> None:
        self.statement = statement


@compiles(explain)
def _compile(element: explain, compiler: SQLCompiler, **options: Any) -> str:
    return f"EXPLAIN (FORMAT JSON) {compiler.process(element.statement, **options)}"


def estimate(repository: RecordReader[Any], shape: Shape) -> Executable:
    """The plan, which says how many rows the planner expects."""
    return explain(matching(repository, shape))


def count_capped(repository: RecordReader[Any], shape: Shape) -> Select[Any]:
    some = matching(repository, shape).with_only_columns(literal(1), maintain_column_froms=True)
    return select(func.count()).select_from(some.limit(bindparam("cap")).subquery())


@lru_cache(maxsize=512)
def soft_delete(repository: RecordReader[Any], *, versioned: bool) -> ReturningUpdate[Any]:
    deleted_at = repository.model.__table__.c.deleted_at
    return _set_deleted(repository, func.now(), deleted_at.is_(None), versioned=versioned)


@lru_cache(maxsize=512)
def restore(
    repository: RecordReader[Any], names: tuple[str, ...] = (), *, versioned: bool
) -> ReturningUpdate[Any]:
    """The columns in `names` get the values that are bound under their names after NEW."""
    columns = columns_of(repository.model)
    new = {columns[n]: bindparam(f"{NEW}{n}", type_=columns[n].type) for n in names}
    where = columns["deleted_at"].is_not(None)
    return _set_deleted(repository, None, where, versioned=versioned).values(new)


def _set_deleted(
    repository: RecordReader[Any], value: Any, where: ColumnElement[bool], *, versioned: bool
) -> ReturningUpdate[Any]:
    table = repository.model.__table__
    statement = update(table).where(repository.key_column == bindparam(KEY), where)
    if versioned:
        statement = statement.where(table.c.version.in_(bindparam(EXPECTED, expanding=True)))
    return statement.values(deleted_at=value).returning(*repository.columns)
