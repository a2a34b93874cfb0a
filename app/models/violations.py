"""Which error tells of the violation of which constraint, read off the tables."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Table, UniqueConstraint

from app.errors import AlreadyExists, CaseloadError, Invalid, Mistake, UnknownReference
from app.models import Base
from app.models.base import SIZE_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Index, MetaData


def violations(metadata: MetaData = Base.metadata) -> dict[str, Callable[[], CaseloadError]]:
    """Every constraint, unique index and rule of a trigger, by its name."""
    return {name: error for table in metadata.sorted_tables for name, error in _of_table(table)}


def _of_table(table: Table) -> Iterator[tuple[str, Callable[[], CaseloadError]]]:
    for index in table.indexes:
        if index.unique:
            yield str(index.name), partial(AlreadyExists, table.name, _fields(index))
    for constraint in table.constraints:
        name = str(constraint.name)
        if isinstance(constraint, ForeignKeyConstraint):
            yield name, partial(UnknownReference, *constraint.column_keys)
        elif isinstance(constraint, CheckConstraint):
            yield name, partial(_invalid, _field(name.removeprefix(f"ck_{table.name}_")))
        elif isinstance(constraint, UniqueConstraint):
            yield name, partial(AlreadyExists, table.name, tuple(constraint.columns.keys()))
        else:  # the primary key
            yield name, partial(AlreadyExists, table.name, ("id",))
    yield from table.info.get("rules", {}).items()  # last: it may tell more than what stands above


def _field(name: str) -> str:
    return name.removesuffix(SIZE_SUFFIX)


def _fields(index: Index) -> tuple[str, ...]:
    fields: tuple[str, ...] = index.info.get("fields") or tuple(index.columns.keys())
    return fields


def _invalid(field: str) -> Invalid:
    return Invalid([Mistake((field,), "invalid", "The database does not accept this value.")])
