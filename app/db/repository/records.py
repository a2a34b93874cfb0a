"""Reads of records, over Core."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any, TypeVar

from sqlalchemy import Connection, Executable

from ..prepared import Prepared
from ..tables import M
from . import counts, criteria, pages, searching, statements
from .criteria import as_parameter
from .declarations import Declarations
from .large_values import BUDGET, IS_READ
from .pages import NumberedPage, Page, Query, Total

T = TypeVar("T")

Record = dict[str, Any]
"""A row as a plain dict by the names of the fields."""


class RecordReader(Declarations[M]):
    """Reads of one, of some, of a page, of all."""

    def record(
        self, connection: Connection, key: Any, *, include_deleted: bool = False
    ) -> Record | None:
        statement = statements.record(self, include_deleted=include_deleted)
        return statement.record(connection, {"key": key})

    def by_id(
        self, connection: Connection, keys: Iterable[Any], most_bytes: int | None = None
    ) -> dict[Any, Record | None]:
        """The live records with these ids, in one statement.

        With `most_bytes` in the order of the keys, and None for those behind the one with which the
        large values exceed it. JSON among large values then comes as PostgreSQL wrote it.
        """
        bound: dict[str, Any] = {"keys": list(keys)}
        if most_bytes is None:
            found = statements.record(self, many=True).records(connection, bound)
        else:
            bound[BUDGET] = most_bytes
            found = statements.bounded_by_id(self).records(connection, bound)
        key = self.key_field
        return {record[key]: record if _is_read(record) else None for record in found}

    def records(self, connection: Connection, query: Query) -> Page[Record]:
        """Records in the order of the query, from the row after `query.after` on."""
        bound = self._bind_page(connection, query)
        statement = self._prepared(statements.page, statements.shape(query))
        if query.most_bytes is None:
            return self._cut(statement.records(connection, bound), query, Record.__getitem__)
        bound[BUDGET] = query.most_bytes
        found = statement.records(connection, bound)
        read = sum(map(_is_read, found))
        return self._cut(found, query, Record.__getitem__, at_most=read)

    def total(self, connection: Connection, query: Query, *, exact_to: int = 10_000) -> Total:
        """How many rows the query has in all pages; above `exact_to` the planner's estimate."""
        bound, shape = self._bind_filters(connection, query), statements.shape(query)
        capped = self._prepared(counts.of_some, shape)
        counted: int = capped.scalar(connection, {**bound, "cap": exact_to + 1})
        if counted <= exact_to:
            return Total(counted, is_estimate=False)
        plan = self._prepared(counts.estimate, shape).scalar(connection, bound)
        return Total(max(counted, plan[0]["Plan"]["Plan Rows"]), is_estimate=True)

    def numbered(self, connection: Connection, query: Query, number: int) -> NumberedPage[Record]:
        """Page `number`, from 1, for callers who must have page numbers; the total is exact.

        Both reads cost more the more rows there are: prefer `records`.
        """
        bound, shape = self._bind_filters(connection, query), statements.shape(query)
        sliced = {**bound, "limit": query.limit, "offset": (number - 1) * query.limit}
        items = self._prepared(statements.slice_, shape).records(connection, sliced)
        total: int = self._prepared(counts.of_all, shape).scalar(connection, bound)
        return NumberedPage(items, number, -(-total // query.limit), total)

    def stream(
        self, connection: Connection, query: Query, *, batch: int = 1000
    ) -> Iterator[Record]:
        """Every row of the query, whatever its limit, in constant memory.

        It needs a unit that writes or that has an isolation: REPEATABLE READ shows one snapshot.
        """
        bound = self._bind_filters(connection, query)
        prepared = self._prepared(statements.everything, statements.shape(query))
        options: dict[str, Any] = {"yield_per": batch, "compiled_cache": None}
        with connection.execute(prepared.statement, bound, execution_options=options) as rows:
            for row in rows:
                yield row._asdict()

    def count(self, connection: Connection, /, **filters: Any) -> int:
        statement = counts.by_filters(self, tuple(sorted(filters)))
        counted: int = statement.scalar(connection, self._bind(filters))
        return counted

    def exists(self, connection: Connection, key: Any, *, include_deleted: bool = False) -> bool:
        statement = statements.exists(self, include_deleted=include_deleted)
        return bool(statement.rows(connection, {"key": key}))

    def _prepared(self, build: Callable[..., Executable], shape: Hashable) -> Prepared:
        """A statement whose shape a client may have chosen."""
        return statements.prepared(build, self, shape)

    def _bind(self, filters: Mapping[str, Any]) -> dict[str, Any]:
        return criteria.parameters(self.filters, filters)

    def _bind_filters(self, connection: Connection, query: Query) -> dict[str, Any]:
        searched = searching.parameters(self.searched, connection, query.search)
        return {**self._bind(query.filters), **searched}

    def _bind_page(self, connection: Connection, query: Query) -> dict[str, Any]:
        bound = self._bind_filters(connection, query)
        if query.after is not None:
            search = bool(searching.words(query.search))
            pages.check_after(_kinds(self, query.sort, search=search), query.after)
            bound |= {f"after_{at}": as_parameter(value) for at, value in enumerate(query.after)}
        return {**bound, "limit": query.limit + 1}

    def _cut(
        self,
        found: list[T],
        query: Query,
        value_of: Callable[[T, str], Any],
        *,
        at_most: int | None = None,
    ) -> Page[T]:
        items = found[: query.limit if at_most is None else min(query.limit, at_most)]
        if len(items) == len(found):
            return Page(found, None)
        return Page(items, query.after_row(partial(value_of, items[-1]), self.key_field))


@lru_cache(maxsize=512)
def _kinds(
    reader: RecordReader[Any], sort: tuple[pages.Sort, ...], *, search: bool
) -> list[tuple[type, bool]]:
    return pages.kinds_of(reader.sorts_of(search=search), sort, reader.key_column)


def _is_read(record: Record) -> bool:
    """The rows that are read come first."""
    is_read: bool = record.get(IS_READ, True)
    return is_read
