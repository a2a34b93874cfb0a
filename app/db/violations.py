"""The errors for violated constraints, by name, read off the tables."""

from collections.abc import Callable
from functools import partial

from sqlalchemy import (
    CheckConstraint,
    Constraint,
    ForeignKeyConstraint,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)

from .errors import ApplicationError, Invalid, Mistake, NotUnique, UnknownReference
from .fields import field_of, fields_of
from .marks import FIELD, RULES

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
    rules: Violations = table.info.get(RULES, {})  # a rule may say more than its constraint
    for constraint in table.constraints:
        if (name := str(constraint.name)) not in rules:
            found[name] = _of_constraint(table, constraint, not_unique)
    return found | rules


def _of_constraint(
    table: Table, constraint: Constraint, not_unique: Callable[..., ApplicationError]
) -> Callable[[], ApplicationError]:
    if isinstance(constraint, ForeignKeyConstraint):
        return partial(UnknownReference, *map(field_of, constraint.columns))
    if isinstance(constraint, CheckConstraint):
        name = str(constraint.name).removeprefix(f"ck_{table.name}_")
        return partial(_invalid, constraint.info.get(FIELD, name))
    if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint):
        return partial(not_unique, table.name, tuple(map(field_of, constraint.columns)))
    raise TypeError(f"No error is known for {constraint.name}: name one in the table's RULES.")


def _invalid(field: str) -> Invalid:
    return Invalid([Mistake((field,), "invalid", "The database does not accept this value.")])
