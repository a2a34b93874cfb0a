"""Which error tells of the violation of which constraint, read off the tables."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, PrimaryKeyConstraint, UniqueConstraint

from .errors import ApplicationError, Invalid, Mistake, NotUnique, UnknownReference
from .marks import FIELD, FIELDS, RULES

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Constraint, FromClause, Index, MetaData, Table

    Violations = dict[str, Callable[[], ApplicationError]]


def violations(
    metadata: MetaData,
    *,
    not_unique: Callable[[str, tuple[str, ...]], ApplicationError] = NotUnique,
) -> Violations:
    """Every constraint, unique index and rule of a trigger, by its name.

    `not_unique` makes the error from the table's name and the names of the fields.
    """
    found: Violations = {}
    for table in metadata.sorted_tables:
        found.update(_of_table(table, not_unique))
    return found


def _of_table(table: Table, not_unique: Callable[..., ApplicationError]) -> Violations:
    found: Violations = {}
    for index in table.indexes:
        if index.unique:
            found[str(index.name)] = partial(not_unique, table.name, fields_of(index))
    for constraint in table.constraints:
        found[str(constraint.name)] = _of_constraint(table, constraint, not_unique)
    found.update(table.info.get(RULES, {}))  # last: a rule may say more than its constraint
    return found


def _of_constraint(
    table: Table, constraint: Constraint, not_unique: Callable[..., ApplicationError]
) -> Callable[[], ApplicationError]:
    if isinstance(constraint, ForeignKeyConstraint):
        return partial(UnknownReference, *constraint.column_keys)
    if isinstance(constraint, CheckConstraint):
        name = str(constraint.name).removeprefix(f"ck_{table.name}_")
        return partial(_invalid, constraint.info.get(FIELD, name))
    if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint):
        return partial(not_unique, table.name, tuple(constraint.columns.keys()))
    raise TypeError(f"No error is known for {constraint.name}: name one in the table's RULES.")


def unique_index(table: FromClause, fields: tuple[str, ...]) -> Index | None:
    """The unique index on exactly these fields."""
    indexes = cast("Table", table).indexes
    return next((i for i in indexes if i.unique and fields_of(i) == fields), None)


def fields_of(index: Index) -> tuple[str, ...]:
    """The fields of a unique index: its columns, or those named in its info."""
    fields: tuple[str, ...] = index.info.get(FIELDS) or tuple(index.columns.keys())
    return fields


def _invalid(field: str) -> Invalid:
    return Invalid([Mistake((field,), "invalid", "The database does not accept this value.")])
