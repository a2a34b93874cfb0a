"""Fields: the columns of a model by the names of its attributes, which may differ from theirs."""

from collections.abc import Sequence
from functools import cache
from typing import Any, cast

from sqlalchemy import (
    Column,
    ColumnElement,
    ForeignKeyConstraint,
    FromClause,
    Index,
    Table,
    inspect,
)
from sqlalchemy.orm import DeclarativeBase, Mapper

from .marks import FIELD, FIELDS


def mark_fields(mapper: Mapper[Any], _: type[Any]) -> None:
    """Keep the name of an attribute with its column, so that errors and records have it."""
    for column in mapper.columns:
        field = mapper.get_property_by_column(column).key
        if field != column.key:
            column.info[FIELD] = field


def field_of(column: ColumnElement[Any]) -> str:
    name: Any = getattr(column, "info", {}).get(FIELD, column.key)
    return str(name)


def fields_of(index: Index) -> tuple[str, ...]:
    """The fields of a unique index: its columns, or those named in its info."""
    fields: tuple[str, ...] = index.info.get(FIELDS) or tuple(map(field_of, index.columns))
    return fields


def unique_index(table: FromClause, fields: Sequence[str]) -> Index | None:
    """The unique index on exactly these fields."""
    indexes = cast("Table", table).indexes
    return next((i for i in indexes if i.unique and fields_of(i) == tuple(fields)), None)


def columns_of(model: type[DeclarativeBase]) -> dict[str, Column[Any]]:
    return _columns_of(model.__table__)


@cache
def _columns_of(table: Any) -> dict[str, Column[Any]]:
    return {field_of(column): column for column in table.c}


@cache
def key_of(model: type[DeclarativeBase]) -> Column[Any]:
    """The primary key; raises TypeError where it has several columns."""
    columns: Sequence[Any] = inspect(model).primary_key
    if len(columns) != 1:
        raise TypeError(f"{model.__name__} has a key of {len(columns)} columns, instead of one.")
    key: Column[Any] = columns[0]
    return key


@cache
def _set_by_layer(model: type[DeclarativeBase]) -> frozenset[str]:
    """No write of the repository changes them, in a row that is there."""
    names = (base.__dict__.get("__set_by_layer__", ()) for base in model.__mro__)
    return frozenset({field_of(key_of(model))}).union(*names)


def references_of(model: type[DeclarativeBase]) -> dict[tuple[str, ...], ForeignKeyConstraint]:
    """The foreign keys of the model, by their fields, in the order of its columns."""
    columns = cast("Table", model.__table__).c
    keys = [key.constraint for column in columns for key in column.foreign_keys]
    return {tuple(map(field_of, key.columns)): key for key in keys if key is not None}


def check_fields(model: type[DeclarativeBase], names: Any, *, changed: bool = False) -> None:
    """Raises AttributeError for a name that is no field, or no field that may be changed."""
    for name in names:
        if name not in columns_of(model):
            raise AttributeError(f"{model.__name__} has no field {name}.")
        if changed and name in _set_by_layer(model):
            raise AttributeError(f"{model.__name__}.{name} cannot be changed: the layer sets it.")
