"""The declarations of a repository: its model, and the filters, sorts and search of its lists."""

from typing import Any, Generic

from sqlalchemy import Column, ColumnElement
from sqlalchemy.orm import InstrumentedAttribute

from ..fields import columns_of, field_of, key_of
from ..marks import INTERNAL, SECRET
from ..tables import M
from . import criteria, large_values, pages, searching
from .searching import TextSearch


class Declarations(Generic[M]):
    """Name the model and declare what may be filtered, sorted and searched; the rest is here.

    A repository has no state, so all of a class and model are equal: they share the statements that
    are kept for it.
    """

    model: type[M]
    filters: criteria.Filters = {}  # noqa: RUF012 - a declaration, never changed
    sorts: pages.Sorts = {}  # noqa: RUF012 - same
    searched: searching.Searched = None

    def __init_subclass__(cls, **options: Any) -> None:
        """A column alone is a descriptor, which would look for the repository's mapper."""
        super().__init_subclass__(**options)
        if isinstance(column := cls.__dict__.get("searched"), InstrumentedAttribute):
            cls.searched = column.expression

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.model is other.model

    def __hash__(self) -> int:
        return hash(type(self))

    @property
    def key_column(self) -> Column[Any]:
        """The primary key, by which rows are found, and lists are ordered in the end."""
        return key_of(self.model)

    @property
    def key_field(self) -> str:
        return field_of(key_of(self.model))

    @property
    def columns(self) -> list[ColumnElement[Any]]:
        """The columns of a record, under the names that the model has for them."""
        return [
            column if field == column.name else column.label(field)
            for field, column in columns_of(self.model).items()
            if not column.info.keys() & {INTERNAL, SECRET}
        ]

    @property
    def large_columns(self) -> frozenset[str]:
        """The columns of which lists read only as much as their budget allows."""
        return large_values.large_columns(self.model)

    def sorts_of(self, *, search: bool) -> pages.Sorts:
        """The declared sorts, with those of a text search where `search` is set."""
        if search and isinstance(self.searched, TextSearch):
            return {**self.sorts, **self.searched.sorts}
        return self.sorts
