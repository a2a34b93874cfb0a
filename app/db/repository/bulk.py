"""Many rows at once, in one statement, each with values of its own."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, overload

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.sql.dml import ReturningInsert

from ..encoding import ROWS, copy_lines
from ..errors import NotUnique
from ..fields import check_fields, columns_of, unique_on
from ..tables import Base, M
from . import inserts, statements
from .inserts import Along
from .records import Record
from .references import BatchChecker
from .rows import Rows, add_defaults, encode_rows, with_defaults


class BulkWriter(BatchChecker[M]):
    """Writes of many rows: INSERT, COPY, upsert, and an UPDATE with values for each row."""

    @overload
    def insert_many(self, connection: sa.Connection, rows: Rows) -> list[Any]: ...
    @overload
    def insert_many(
        self,
        connection: sa.Connection,
        rows: Rows,
        *,
        returning: Literal[True],
        along: Along | None = None,
    ) -> list[Record]: ...
    def insert_many(
        self,
        connection: sa.Connection,
        rows: Rows,
        *,
        returning: bool = False,
        along: Along | None = None,
    ) -> list[Any]:
        """Insert rows by one statement; returns their keys, or their records, in their order.

        A field that a row does not name gets the default of the model or of the table. Raises
        ValueError where only some rows name a field whose default the statement cannot give. With
        `along` the statement inserts rows of other tables too, made from the new ones.
        """
        if not rows:
            return []
        new = [{**row} for row in rows]
        names, partly = add_defaults(self.model, new)
        _check_named(names)
        _check_defaults(self.model, partly, new)
        keys = [row.get(self.key_field) for row in new]
        encode_rows(self.model, new, connection.dialect)
        build = None if along is None else along.build
        statement = inserts.insert(self, names, partly, build, returning=returning)
        bound = {ROWS: new} if along is None else {ROWS: new, **along.parameters}
        # INSERT ... SELECT inserts and returns the rows in the order in which it reads them.
        if returning:
            return statement.records(connection, bound)
        if self.key_field in names and self.key_field not in partly:
            statement.execute(connection, bound)
            return keys
        return [key for (key,) in statement.rows(connection, bound)]

    def copy(
        self, connection: sa.Connection, fields: Sequence[str], rows: Iterable[Sequence[Any]]
    ) -> int:
        """COPY rows of values, in the order of `fields`, as they come; returns how many.

        Memory does not grow with the rows. Other fields get their defaults, as in `insert_many`.
        """
        check_fields(self.model, fields)
        names, rows = with_defaults(self.model, tuple(fields), rows)
        _check_named(names)
        columns = [columns_of(self.model)[name] for name in names]
        quoted = connection.dialect.identifier_preparer
        listed = ", ".join(quoted.quote(column.name) for column in columns)
        statement = sa.text(
            f"COPY {quoted.format_table(self.model.__table__)} ({listed}) FROM STDIN"
        )
        types = [column.type for column in columns]
        lines = copy_lines(types, rows, connection.dialect, added=len(names) - len(fields))
        return connection.execute(statement.execution_options(copy_from=lines)).rowcount

    def upsert(
        self, connection: sa.Connection, values: Mapping[str, Any], *, on: Sequence[str]
    ) -> tuple[Record, bool]:
        """Insert, or update the live row with the same `on`; returns it and whether it is new.

        `on` names the fields of a declared unique index or constraint, or the key; PostgreSQL
        itself decides the race. Raises NotUnique where a deleted row has the same `on`.
        """
        made_here = self.key_column.default is not None
        check_fields(
            self.model, [n for n in values if made_here or n != self.key_field], changed=True
        )
        statement = _upsert(self, tuple(values), tuple(on))
        found = connection.execute(statement, values).one_or_none()
        if found is None:
            raise NotUnique(self.model.__tablename__, tuple(on))
        row = found._asdict()
        return row, row.pop("created")

    def update_each(self, connection: sa.Connection, rows: Rows) -> int:
        """Set on the live row with each key the other fields; returns how many rows there were.

        All rows name the same fields, which hold no lists, and each key once; raises ValueError
        otherwise.
        """
        if not rows:
            return 0
        names, key = tuple(rows[0]), self.key_field
        _check_changes(rows, key)
        check_fields(self.model, set(names) - {key}, changed=True)
        bound = statements.bind_new({name: [row[name] for row in rows] for name in names})
        return connection.execute(_update_each(self, names), bound).rowcount


def _check_named(names: tuple[str, ...]) -> None:
    if not names:
        raise ValueError("The rows name no field: give each at least one.")


def _check_changes(rows: Rows, key: str) -> None:
    if key not in rows[0] or any(row.keys() != rows[0].keys() for row in rows):
        raise ValueError(f"All rows must name the {key} and the same fields.")
    if len(rows[0]) == 1:
        raise ValueError(f"The rows name no field but the {key}: there is nothing to change.")
    if len({row[key] for row in rows}) < len(rows):
        raise ValueError(f"Two rows have the same {key}.")


def _check_defaults(model: type[Base], partly: frozenset[str], rows: Rows) -> None:
    """A row that lacks a field and one that gives None for it look alike to PostgreSQL."""
    for name in partly:
        declared = columns_of(model)[name]
        default = inserts.default_of(declared)
        if default is None and declared is not model.__table__.autoincrement_column:
            continue
        if not hasattr(default, "arg"):
            raise ValueError(
                f"Name {name} in every row or in none: only the table has its default."
            )
        if any(row.get(name, ...) is None for row in rows):
            raise ValueError(f"Name {name} in every row, or give no row None for it.")


@lru_cache(maxsize=512)
def _upsert(
    writer: BulkWriter[Any], fields: tuple[str, ...], on: tuple[str, ...]
) -> ReturningInsert[Any]:
    columns = columns_of(writer.model)
    unique = unique_on(writer.model.__table__, on)
    if unique is None:
        raise LookupError(
            f"{writer.model.__name__} has no unique index or constraint on {', '.join(on)}."
        )
    values = {columns[n]: sa.bindparam(n, type_=columns[n].type) for n in fields}
    statement = insert(writer.model.__table__).values(values)
    kept = {writer.key_field, *on}
    changed = [columns[name] for name in fields if name not in kept] or [columns[on[0]]]
    live = statements.live(writer.model)
    statement = statement.on_conflict_do_update(
        index_elements=unique.expressions,
        index_where=sa.and_(*unique.condition) if unique.condition else None,
        set_={column: statement.excluded[column.key] for column in changed},
        where=sa.and_(*live) if live else None,
    )
    # This statement locks only a row that existed before.
    created = sa.literal_column("(xmax = 0)", sa.Boolean).label("created")
    return statement.returning(*writer.columns, created)


@lru_cache(maxsize=512)
def _update_each(writer: BulkWriter[Any], names: tuple[str, ...]) -> sa.Update:
    columns, key = columns_of(writer.model), writer.key_field
    lists = {name: ARRAY(columns[name].type) for name in names}
    arrays = [
        sa.cast(sa.bindparam(f"{statements.NEW}{n}", type_=of), of) for n, of in lists.items()
    ]
    named = [sa.column(name, columns[name].type) for name in names]
    given = sa.func.unnest(*arrays).table_valued(*named).render_derived(name="given")
    statement = sa.update(writer.model.__table__).where(writer.key_column == given.c[key])
    statement = statement.where(*statements.live(writer.model))
    return statement.values({columns[n]: given.c[n] for n in names if n != key})
