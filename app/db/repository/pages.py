"""Keyset pages: correct with ties, NULLs and mixed directions, at any depth."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Generic, Literal, TypeVar

from sqlalchemy import ColumnElement, and_, false, or_, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from ..errors import InvalidCriterion, InvalidCursor
from .criteria import is_value, typed_bind

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sort:
    """A field to sort by. NULL is the largest value."""

    name: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A request for a page of a list. `after` holds the sort values of the row before the page.

    With an empty `sort` the list is in the order of the key.

    With `most_bytes` the page ends where its large values are more than that, and JSON comes as
    PostgreSQL wrote it; with `written_ids` ids do too, for a caller that compares them with no
    others. Large values in `without` are not read: the records have None instead.
    """

    filters: Mapping[str, Any] = field(default_factory=dict)
    search: str | None = None
    sort: tuple[Sort, ...] = (Sort("created_at", descending=True),)
    after: tuple[Any, ...] | None = None
    limit: int = 25
    include_deleted: bool = False
    most_bytes: int | None = None
    without: frozenset[str] = frozenset()
    written_ids: bool = False

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise InvalidCriterion("limit", "It must be at least 1.")

    def after_row(self, value_of: Callable[[str], Any], key: str = "id") -> tuple[Any, ...]:
        """The `after` of a page that begins after the row with these values."""
        return tuple(value_of(name) for name in (*(sort.name for sort in self.sort), key))


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
    """The number of rows of all pages. An estimate is the planner's."""

    count: int
    is_estimate: bool


Sorts = dict[str, ColumnElement[Any]]


def sorts_on(*columns: InstrumentedAttribute[Any]) -> Sorts:
    """Sorts with each column's own name, for a repository's `sorts`."""
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


def kinds_of(sorts: Sorts, by: Sequence[Sort], key: ColumnElement[Any]) -> list[tuple[type, bool]]:
    """The type of each value of `after`, and whether it may be None."""
    return [(_python_type(column), _nullable(column)) for column, _ in order(sorts, by, key)]


def check_after(kinds: Sequence[tuple[type, bool]], values: Sequence[Any]) -> None:
    """Raises InvalidCursor where the values do not belong to a row of the list."""
    if len(kinds) != len(values) or not all(map(_fits, kinds, values)):
        raise InvalidCursor("cursor", "Its values do not fit the order of the list.")


def _fits(kind: tuple[type, bool], value: Any) -> bool:
    return kind[1] if value is None else is_value(kind[0], value)


def _python_type(column: ColumnElement[Any]) -> type:
    try:
        return column.type.python_type
    except NotImplementedError:  # a type of PostgreSQL's own
        return object


End = Literal["null", "lowest", "highest"] | None
"""Where a value stands in its column. psycopg2 reads `-infinity` as the lowest time of Python and
`infinity` as the highest one, so a page after such a value counts the two as equal."""


def end_of(value: Any) -> End:
    if value is None:
        return "null"
    if not isinstance(value, date):
        return None
    day = value.date() if isinstance(value, datetime) else value
    if day not in (date.min, date.max):
        return None
    plain = value.replace(tzinfo=None) if isinstance(value, datetime) else value
    ends: dict[date, End] = {type(plain).min: "lowest", type(plain).max: "highest"}
    return ends.get(plain)


def after(
    keys: Sequence[tuple[ColumnElement[Any], bool]], ends: Sequence[End]
) -> ColumnElement[bool]:
    """The rows after the one whose values are bound as `after_0`, `after_1`, ...

    PostgreSQL sorts NULL as the largest value. Where it can, it compares whole rows, which one
    index range serves.
    """
    columns = [column for column, _ in keys]
    values = [typed_bind(f"after_{i}", column.type) for i, column in enumerate(columns)]
    directions = {descending for _, descending in keys}
    if len(directions) == 1 and not any(ends) and not any(_nullable(column) for column in columns):
        row, bound = tuple_(*columns), tuple_(*values)
        return row < bound if directions.pop() else row > bound
    alternatives = []
    for i, (column, descending) in enumerate(keys):
        ties = [_equal(columns[j], values[j], ends[j]) for j in range(i)]
        alternatives.append(and_(*ties, _behind(column, values[i], ends[i], descending=descending)))
    return or_(*alternatives)


def _equal(column: ColumnElement[Any], value: ColumnElement[Any], end: End) -> ColumnElement[bool]:
    if end is None:
        return column == value
    ends = {"null": column.is_(None), "lowest": column <= value, "highest": column >= value}
    return ends[end]


def _behind(
    column: ColumnElement[Any], value: ColumnElement[Any], end: End, *, descending: bool
) -> ColumnElement[bool]:
    if descending:
        if end == "null":
            return column.is_not(None)
        return false() if end == "lowest" else column < value
    if end == "null":
        return false()
    larger = false() if end == "highest" else column > value
    return or_(larger, column.is_(None)) if _nullable(column) else larger


def _nullable(column: ColumnElement[Any]) -> bool:
    return bool(getattr(column, "nullable", True))
