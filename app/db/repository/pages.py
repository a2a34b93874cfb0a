"""Keyset pages: correct with ties, NULLs and mixed directions, at any depth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy import ColumnElement, and_, bindparam, false, or_, tuple_

from ..errors import InvalidCriterion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy.orm import InstrumentedAttribute

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sort:
    name: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """What a list is asked for. `after` holds the sort values of the row before the page.

    With `most_bytes` the page ends where its large values are more than that, and JSON among them
    comes as PostgreSQL wrote it. Those in `without` are not read: the records have None instead.
    """

    filters: Mapping[str, Any] = field(default_factory=dict)
    search: str | None = None
    sort: tuple[Sort, ...] = (Sort("created_at", descending=True),)
    after: tuple[Any, ...] | None = None
    limit: int = 25
    include_deleted: bool = False
    most_bytes: int | None = None
    without: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise InvalidCriterion("limit", "It must be at least 1.")

    def after_row(self, value_of: Callable[[str], Any]) -> tuple[Any, ...]:
        """The `after` of a page that begins behind the row with these values."""
        return tuple(value_of(name) for name in (*(sort.name for sort in self.sort), "id"))


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """`next` is the `after` of the page that follows, None on the last one."""

    items: list[T]
    next: tuple[Any, ...] | None


@dataclass(frozen=True, slots=True)
class NumberedPage(Generic[T]):
    """Page `number` of `pages`, out of `total` rows; past the last page it is empty."""

    items: list[T]
    number: int
    pages: int
    total: int


@dataclass(frozen=True, slots=True)
class Total:
    count: int
    is_estimate: bool


Sorts = dict[str, ColumnElement[Any]]


def sorts_on(*columns: InstrumentedAttribute[Any]) -> Sorts:
    return {column.key: column.expression for column in columns}


def order(
    sorts: Sorts, by: Sequence[Sort], key: ColumnElement[Any]
) -> list[tuple[ColumnElement[Any], bool]]:
    """The columns to sort by and whether they descend, with the key as tie-breaker."""
    for sort in by:
        if sort.name not in sorts:
            raise InvalidCriterion("sort", f"The list cannot be sorted by {sort.name}.")
    keys = [(sorts[sort.name], sort.descending) for sort in by]
    return [*keys, (key, by[-1].descending if by else False)]


def order_by(keys: Sequence[tuple[ColumnElement[Any], bool]]) -> list[ColumnElement[Any]]:
    return [column.desc() if descending else column.asc() for column, descending in keys]


def after(
    keys: Sequence[tuple[ColumnElement[Any], bool]], nulls: Sequence[bool]
) -> ColumnElement[bool]:
    """The rows behind the one whose values are bound as `after_0`, `after_1`, ...

    `nulls` says which of them are NULL; PostgreSQL sorts NULL as the largest value. Where it
    can, it compares whole rows, which one index range serves.
    """
    columns = [column for column, _ in keys]
    values = [bindparam(f"after_{i}", type_=column.type) for i, column in enumerate(columns)]
    directions = {descending for _, descending in keys}
    if len(directions) == 1 and not any(_nullable(column) for column in columns):
        row, bound = tuple_(*columns), tuple_(*values)
        return row < bound if directions.pop() else row > bound
    alternatives = []
    for i, (column, descending) in enumerate(keys):
        ties = [_equal(columns[j], values[j], null=nulls[j]) for j in range(i)]
        behind = _behind(column, values[i], descending=descending, null=nulls[i])
        alternatives.append(and_(*ties, behind))
    return or_(*alternatives)


def _equal(
    column: ColumnElement[Any], value: ColumnElement[Any], *, null: bool
) -> ColumnElement[bool]:
    return column.is_(None) if null else column == value


def _behind(
    column: ColumnElement[Any], value: ColumnElement[Any], *, descending: bool, null: bool
) -> ColumnElement[bool]:
    if descending:
        return column.is_not(None) if null else column < value
    if null:
        return false()
    return or_(column > value, column.is_(None)) if _nullable(column) else column > value


def _nullable(column: ColumnElement[Any]) -> bool:
    return bool(getattr(column, "nullable", True))
