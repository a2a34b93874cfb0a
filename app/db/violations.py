"""The errors for violated constraints, by name, read off the tables."""

from collections.abc import Callable
from functools import partial

from sqlalchemy import CheckConstraint, Constraint, ForeignKeyConstraint, MetaData, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.naming import conv

from .errors import ApplicationError, Invalid, Mistake, NotUnique, UnknownReference
from .fields import field_of, uniques_of
from .marks import FIELD, RULES

Violations = dict[str, Callable[[], ApplicationError]]

_LONGEST_NAME = 63  # bytes of a name in PostgreSQL
_SQLALCHEMY = postgresql.dialect().identifier_preparer  # type: ignore[no-untyped-call] # SQLAlchemy's


def violations(
    metadata: MetaData,
    *,
    not_unique: Callable[[str, tuple[str, ...]], ApplicationError] = NotUnique,
) -> Violations:
    """Every constraint, unique index and rule of a trigger, by its name.

    `not_unique` makes the error from the table's name and the names of the fields.
    """
    return {
        stored: error
        for table in metadata.sorted_tables
        for name, error in _of_table(table, not_unique).items()
        for stored in _names_in_database(name)
    }


def _names_in_database(name: str) -> set[str]:
    """PostgreSQL cuts off the end of a long name; SQLAlchemy puts a hash there before it does."""
    cut = name.encode()[:_LONGEST_NAME].decode(errors="ignore")
    hashed = _SQLALCHEMY.truncate_and_render_constraint_name(conv(name), _alembic_quote=False)
    return {name, cut, hashed}


def _of_table(table: Table, not_unique: Callable[..., ApplicationError]) -> Violations:
    found: Violations = {
        unique.name: partial(not_unique, table.name, unique.fields) for unique in uniques_of(table)
    }
    rules: Violations = table.info.get(RULES, {})  # a rule may say more than its constraint
    for constraint in table.constraints:
        if (name := str(constraint.name)) not in found.keys() | rules.keys():
            found[name] = _of_constraint(table, constraint)
    return found | rules


def _of_constraint(table: Table, constraint: Constraint) -> Callable[[], ApplicationError]:
    if isinstance(constraint, ForeignKeyConstraint):
        return partial(UnknownReference, *map(field_of, constraint.columns))
    if isinstance(constraint, CheckConstraint):
        name = str(constraint.name).removeprefix(f"ck_{table.name}_")
        return partial(_invalid, constraint.info.get(FIELD, name))
    raise TypeError(f"No error is known for {constraint.name}: name one in the table's RULES.")


def _invalid(field: str) -> Invalid:
    return Invalid([Mistake((field,), "invalid", "The database does not accept this value.")])
