"""Lists and reads by id that stop reading large values beyond a budget of bytes.

Some columns (marked LARGE) may hold a mebibyte in each row, so that a hundred rows would fill the
memory of a worker. PostgreSQL itself adds up their sizes and sends no more of them once the sum
reaches the budget: the caller gets every row in one statement, the later ones without such values.
"""

from collections.abc import Collection
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSON, JSONB

from ..fields import columns_of
from ..marks import LARGE
from ..tables import Base
from ..types import JSONObject

BUDGET = "most_bytes"
"""The bind parameter: how many bytes of large values are read. The row that goes beyond it is the
last one to be read, so the first row always is."""

IS_READ = "is_read"
"""In a record: whether its large values were read."""


@cache
def large_columns(model: type[Base]) -> frozenset[str]:
    return frozenset(name for name, column in columns_of(model).items() if LARGE in column.info)


def bounded(statement: sa.Select[Any], large: Collection[str]) -> sa.Select[Any]:
    """The same rows in the same order, with `IS_READ`; `large` jsonb is of the type json.

    Without large values it is the same statement.

    PostgreSQL reads a subquery with a LIMIT or an order row by row in its order, and a window
    without an order of its own takes the rows as they come.
    """
    if not large:
        return statement
    rows = statement.subquery("rows")
    size = sum((_size(rows.c[name]) for name in large), sa.literal(0, sa.BigInteger))
    before = sa.func.coalesce(sa.func.sum(size).over(rows=(None, -1)), 0).label("bytes_before")
    sized = sa.select(*rows.c, before).subquery("sized")
    is_read = sized.c.bytes_before < sa.bindparam(BUDGET, type_=sa.BigInteger)
    columns = [
        _if_read(column, is_read) if column.key in large else column
        for column in sized.c
        if column.key != "bytes_before"
    ]
    return sa.select(*columns, is_read.label(IS_READ))


def without(statement: sa.Select[Any], names: Collection[str]) -> sa.Select[Any]:
    """The same columns, those of these names as NULL."""
    columns = [
        sa.cast(sa.null(), column.type).label(column.key) if column.key in names else column
        for column in statement.selected_columns
    ]
    return statement.with_only_columns(*columns, maintain_column_froms=True)


def _is_json(value: sa.ColumnElement[Any]) -> bool:
    return isinstance(value.type, JSONObject | JSONB)


def _size(value: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
    """The bytes of a value: of compressed JSON alone it has to be read for that."""
    if not _is_json(value):
        return sa.func.coalesce(sa.func.octet_length(value), 0)
    stored = sa.func.pg_column_compression(value).is_(None)
    written = sa.func.octet_length(sa.cast(value, sa.Text))
    return sa.func.coalesce(sa.case((stored, sa.func.pg_column_size(value)), else_=written), 0)


def _if_read(
    value: sa.ColumnElement[Any], is_read: sa.ColumnElement[bool]
) -> sa.ColumnElement[Any]:
    read: sa.ColumnElement[Any] = sa.case((is_read, value))
    return (sa.cast(read, JSON) if _is_json(value) else read).label(value.key)
