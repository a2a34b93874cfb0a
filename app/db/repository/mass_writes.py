"""Writes to all rows that fit some filters, in one statement and within a limit."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from ..errors import InvalidCriterion, TooManyRows
from ..fields import check_fields
from ..tables import M
from . import criteria, statements
from .pages import Sort, order, order_by
from .reading import Reader
from .records import Record

_LIMIT = "uw_limit"  # a bind parameter with the name of a column would set that column


class MassWriter(Reader[M]):
    """Writes of all live rows that fit some filters, and claims of some of them."""

    def update_where(
        self,
        connection: sa.Connection,
        values: Mapping[str, Any],
        /,
        *,
        at_most: int,
        **filters: Any,
    ) -> list[Any]:
        """Update the live rows that fit, locked in the order of their keys; returns the keys.

        Raises TooManyRows, and changes nothing, where more than `at_most` fit.
        """
        bound = self._bind_changes(values)
        statement = _update_where(self, tuple(values), tuple(sorted(filters)))
        return self._write(connection, statement, {**bound, **self._bind(filters)}, at_most)

    def delete(self, connection: sa.Connection, /, *, at_most: int, **filters: Any) -> list[Any]:
        """Remove the live rows that fit, for good; as `update_where`."""
        statement = _delete(self, tuple(sorted(filters)))
        return self._write(connection, statement, self._bind(filters), at_most)

    def claim(
        self,
        connection: sa.Connection,
        values: Mapping[str, Any],
        /,
        *,
        limit: int,
        sort: Sequence[Sort] = (Sort("created_at"),),
        **filters: Any,
    ) -> list[Record]:
        """Take up to `limit` rows that nobody else holds, first come first; set `values` on them.

        Rows that another unit has locked are passed over, not waited for.
        """
        bound = {**self._bind_changes(values), **self._bind(filters), _LIMIT: limit}
        statement = _claim(self, tuple(values), tuple(sort), tuple(sorted(filters)))
        return [row._asdict() for row in connection.execute(statement, bound)]

    def _write(
        self,
        connection: sa.Connection,
        statement: sa.CompoundSelect[Any],
        bound: dict[str, Any],
        at_most: int,
    ) -> list[Any]:
        ids = list(connection.execute(statement, {**bound, _LIMIT: at_most + 1}).scalars())
        if ids == [None]:
            raise TooManyRows(at_most)
        return ids

    def _bind_changes(self, values: Mapping[str, Any]) -> dict[str, Any]:
        if not values:
            raise ValueError("A mass write must say what to change.")
        check_fields(self.model, values, changed=True)
        return statements.bind_new(values)


@lru_cache(maxsize=512)
def _update_where(
    writer: MassWriter[Any], fields: tuple[str, ...], names: tuple[str, ...]
) -> sa.CompoundSelect[Any]:
    new = statements.new_values(writer.model, fields)
    return _limited(writer, names, sa.update(writer.model.__table__).values(new))


@lru_cache(maxsize=512)
def _delete(writer: MassWriter[Any], names: tuple[str, ...]) -> sa.CompoundSelect[Any]:
    return _limited(writer, names, sa.delete(writer.model.__table__))


def _limited(writer: MassWriter[Any], names: tuple[str, ...], write: Any) -> sa.CompoundSelect[Any]:
    """The keys of the rows that were written, or one NULL where too many fit."""
    key = writer.key_column
    found = (
        sa.select(key)
        .where(*_wanted(writer, names))
        .order_by(key)
        .limit(sa.bindparam(_LIMIT))
        .with_for_update(key_share=True)
        .cte("found")
    )
    count = sa.select(sa.func.count()).select_from(found).scalar_subquery()
    few = count < sa.bindparam(_LIMIT)
    written = write.where(key == found.c[key.key], few).returning(key).cte("written")
    return sa.union_all(
        sa.select(written.c[key.key]), sa.select(sa.cast(sa.null(), key.type)).where(~few)
    )


@lru_cache(maxsize=512)
def _claim(
    writer: MassWriter[Any], fields: tuple[str, ...], sort: tuple[Sort, ...], names: tuple[str, ...]
) -> sa.Select[Any]:
    table, key = writer.model.__table__, writer.key_column
    free = (
        sa.select(key)
        .where(*_wanted(writer, names))
        .order_by(*order_by(order(writer.sorts, sort, key)))
        .limit(sa.bindparam(_LIMIT))
        .with_for_update(skip_locked=True, key_share=True)
        .cte("free")
    )
    new = statements.new_values(writer.model, fields)
    statement = sa.update(table).where(key == free.c[key.key]).values(new)
    taken = statement.returning(*writer.columns).cte("taken")
    by_name = [(taken.c[each.name], each.descending) for each in sort]
    return sa.select(taken).order_by(*order_by(by_name), taken.c[writer.key_field])


def _wanted(writer: MassWriter[Any], names: tuple[str, ...]) -> list[sa.ColumnElement[bool]]:
    if not names:
        raise InvalidCriterion("filters", "A mass write needs at least one filter.")
    return [*statements.live(writer.model), *criteria.clauses(writer.filters, names)]
