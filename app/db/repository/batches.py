"""Many rows at once, each with values of its own."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import (
    Column,
    ColumnElement,
    bindparam,
    column,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy import cast as as_type
from sqlalchemy.dialects.postgresql import ARRAY
from uuid_utils.compat import uuid7

from ..tables import Resource
from .batch_checks import BatchChecker, given_rows, names_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Update
    from sqlalchemy.sql.dml import ReturningInsert

    from .reading import Record

    Rows = Sequence[Mapping[str, Any]]

R = TypeVar("R", bound=Resource)


class BatchWriter(BatchChecker[R]):
    def create_many(self, connection: Connection, rows: Rows) -> list[Record]:
        """Insert rows by one statement; what a row does not say is as the table has it.

        Returns the records, in the order of the rows.
        """
        complete = [{"id": uuid7(), **row} for row in rows]
        statement = _create_many(self, names_of(complete))
        created = connection.execute(statement, {"rows": complete})
        by_id = {row.id: row._asdict() for row in created}
        return [by_id[row["id"]] for row in complete]

    def update_each(self, connection: Connection, rows: Rows) -> None:
        """Set on the row with each `id` what else is said; all say the same fields, no lists."""
        if rows:
            bound = {f"new_{name}": [row[name] for row in rows] for name in rows[0]}
            connection.execute(_update_each(self, tuple(rows[0])), bound)


@lru_cache(maxsize=512)
def _create_many(writer: BatchWriter[Any], names: tuple[str, ...]) -> ReturningInsert[Any]:
    table = writer.model.__table__
    columns = [table.c[name] for name in names]
    given = given_rows([column(name, table.c[name].type) for name in names])
    values = select(*(_or_default(each, given.c[each.key]) for each in columns))
    return insert(table).from_select(columns, values).returning(*writer.columns)


@lru_cache(maxsize=512)
def _update_each(writer: BatchWriter[Any], names: tuple[str, ...]) -> Update:
    table = writer.model.__table__
    lists = {name: ARRAY(table.c[name].type) for name in names}
    arrays = [as_type(bindparam(f"new_{n}", type_=of), of) for n, of in lists.items()]
    columns = [column(name, table.c[name].type) for name in names]
    given = func.unnest(*arrays).table_valued(*columns).render_derived(name="given")
    values = {name: given.c[name] for name in names if name != "id"}
    return update(table).where(table.c.id == given.c.id).values(values)


def _or_default(declared: Column[Any], value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Where other rows say something and this one does not: what the table would put there."""
    default: Any = declared.server_default
    if declared.nullable or default is None:
        return value
    says = literal_column(f"'{default.arg}'") if isinstance(default.arg, str) else default.arg
    return func.coalesce(value, says)
