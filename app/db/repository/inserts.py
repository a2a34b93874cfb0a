"""The INSERT of many rows, which it reads from one parameter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.sql.dml import ReturningInsert

from ..fields import columns_of
from ..prepared import Prepared
from ..tables import Base
from .references import given_rows
from .rows import python_defaults

if TYPE_CHECKING:
    from .declarations import Declarations

Build = Callable[[sa.CTE], Sequence[sa.Insert]]


class Along(NamedTuple):
    """INSERTs made from the rows that `insert_many` inserts, such as those of an audit log.

    `build` gets the new rows, by the names of the fields. Give the same function each time: the
    statement is kept by it. `parameters` are those of its statements.
    """

    build: Build
    parameters: Mapping[str, Any]


@lru_cache(maxsize=512)
def insert(
    reader: Declarations[Any],
    names: tuple[str, ...],
    partly: frozenset[str],
    build: Build | None,
    *,
    returning: bool,
) -> Prepared:
    model: type[Base] = reader.model
    columns = columns_of(model)
    given = given_rows([sa.column(name, columns[name].type) for name in names])
    values = [
        _or_default(columns[name], given.c[name]) if name in partly else given.c[name]
        for name in names
    ]
    # Given here, since SQLAlchemy leaves a constant default of Python's out of a CTE.
    constants = {n: d.arg for n, d in python_defaults(model).items() if n not in names}
    values += [sa.literal(value, columns[name].type) for name, value in constants.items()]
    statement = sa.insert(model.__table__)
    filled = [columns[name] for name in (*names, *constants)]
    statement = statement.from_select(filled, sa.select(*values))
    if build is not None:
        return Prepared(_with_others(statement.returning(*reader.columns), build))
    if returning:
        return Prepared(statement.returning(*reader.columns))
    is_given = reader.key_field in names and reader.key_field not in partly
    return Prepared(statement if is_given else statement.returning(reader.key_column))


def _with_others(statement: ReturningInsert[Any], build: Build) -> sa.Select[Any]:
    rows = statement.cte("new_rows")
    selected = sa.select(*rows.c)
    for number, other in enumerate(build(rows)):
        selected = selected.add_cte(other.cte(f"along_{number}"))
    return selected


def _or_default(declared: sa.Column[Any], value: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    default = default_of(declared)
    if default is None:
        return value
    # A literal without a type, as in the table: PostgreSQL gives it the column's.
    is_text = isinstance(default.arg, str)
    return sa.func.coalesce(value, _quoted(default.arg) if is_text else default.arg)


def _quoted(default: str) -> sa.ColumnElement[Any]:
    doubled = default.replace("'", "''")
    return sa.literal_column(f"'{doubled}'")


def default_of(declared: sa.Column[Any]) -> Any:
    """The default of a row that lacks the column."""
    return declared.default or declared.server_default
