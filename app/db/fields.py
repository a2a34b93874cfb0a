"""Fields: the columns of a model by the names of its attributes, which may differ from theirs."""

from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple, cast

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapper

from .marks import FIELD, FIELDS


def mark_fields(mapper: Mapper[Any], _: type[Any]) -> None:
    """Keep the name of an attribute with its column, so that errors and records have it."""
    for column in mapper.columns:
        field = mapper.get_property_by_column(column).key
        if field != column.key:
            column.info[FIELD] = field


def field_of(column: sa.ColumnElement[Any]) -> str:
    name: Any = getattr(column, "info", {}).get(FIELD, column.key)
    return str(name)


def columns_of(model: type[DeclarativeBase]) -> dict[str, sa.Column[Any]]:
    return _columns_of(model.__table__)


@cache
def _columns_of(table: Any) -> dict[str, sa.Column[Any]]:
    return {field_of(column): column for column in table.c}


@cache
def key_of(model: type[DeclarativeBase]) -> sa.Column[Any]:
    """The primary key; raises TypeError where it has several columns."""
    columns: Any = sa.inspect(model).primary_key
    if len(columns) != 1:
        raise TypeError(f"{model.__name__} has a key of {len(columns)} columns, instead of one.")
    key: sa.Column[Any] = columns[0]
    return key


@cache
def _set_by_layer(model: type[DeclarativeBase]) -> frozenset[str]:
    """No write of the repository changes them, in a row that is there."""
    names = (base.__dict__.get("__set_by_layer__", ()) for base in model.__mro__)
    return frozenset({field_of(key_of(model))}).union(*names)


def check_fields(
    model: type[DeclarativeBase], names: Iterable[str], *, changed: bool = False
) -> None:
    """Raises AttributeError for a name that is no field, or no field that may be changed."""
    for name in names:
        if name not in columns_of(model):
            raise AttributeError(f"{model.__name__} has no field {name}.")
        if changed and name in _set_by_layer(model):
            raise AttributeError(f"{model.__name__}.{name} cannot be changed: the layer sets it.")


def references_of(model: type[DeclarativeBase]) -> dict[tuple[str, ...], sa.ForeignKeyConstraint]:
    """The foreign keys of the model, by their fields, in the order of its columns."""
    columns = cast("sa.Table", model.__table__).c
    keys = [key.constraint for column in columns for key in column.foreign_keys]
    return {tuple(map(field_of, key.columns)): key for key in keys if key is not None}


class Unique(NamedTuple):
    """A unique index, a unique constraint or the primary key.

    `fields` are those that it names, `columns` those in its `expressions`. `condition` has the one
    of a partial index.
    """

    name: str
    fields: tuple[str, ...]
    columns: tuple[str, ...]
    expressions: list[sa.ColumnElement[Any]]
    condition: list[sa.ColumnElement[bool]]


def uniques_of(table: sa.FromClause) -> list[Unique]:
    """In the order of their names."""
    found: list[Unique] = []
    for index in cast("sa.Table", table).indexes:
        if index.unique:
            columns = tuple(map(field_of, index.columns))
            where = index.dialect_options["postgresql"]["where"]
            expressions = cast("list[sa.ColumnElement[Any]]", list(index.expressions))
            fields = index.info.get(FIELDS) or columns
            condition = [] if where is None else [where]
            found.append(Unique(str(index.name), fields, columns, expressions, condition))
    for constraint in cast("sa.Table", table).constraints:
        if isinstance(constraint, sa.UniqueConstraint | sa.PrimaryKeyConstraint):
            columns = tuple(map(field_of, constraint.columns))
            found.append(
                Unique(str(constraint.name), columns, columns, list(constraint.columns), [])
            )
    return sorted(found, key=lambda unique: unique.name)


def unique_on(table: sa.FromClause, fields: tuple[str, ...]) -> Unique | None:
    """The index or constraint that is unique on exactly these fields."""
    return next((unique for unique in uniques_of(table) if unique.fields == fields), None)
