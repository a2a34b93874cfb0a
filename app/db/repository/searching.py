"""The search of a list: each word occurs in an expression, or a search of its own kind."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam

from ..encoding import is_text
from ..errors import InvalidCriterion
from . import criteria


class TextSearch(ABC):
    """A search whose text becomes one bind parameter, `search`.

    `columns` are what a record has more when it was searched for, `sorts` those of them by which
    the list may be sorted.
    """

    condition: ColumnElement[bool]
    columns: Sequence[ColumnElement[Any]] = ()
    sorts: Mapping[str, ColumnElement[Any]]

    @abstractmethod
    def parse(self, connection: Connection, typed: str) -> str:
        """The value of the bind parameter."""


Searched = ColumnElement[str] | TextSearch | None


def parameters(searched: Searched, connection: Connection, search: str | None) -> dict[str, Any]:
    """The bind parameters of a search; raises InvalidCriterion for what is no text."""
    if search and not is_text(search):
        raise InvalidCriterion("q", "Text has neither NUL nor lone surrogates.")
    if search and isinstance(searched, TextSearch):
        return {"search": searched.parse(connection, search)} if words(search) else {}
    return {f"word_{at}": criteria.like(word) for at, word in enumerate(words(search))}


def words(search: str | None) -> list[str]:
    return search.split() if search else []


def conditions(searched: Searched, word_count: int) -> list[ColumnElement[bool]]:
    if not word_count:
        return []
    if searched is None:
        raise InvalidCriterion("q", "The list has no search.")
    if isinstance(searched, TextSearch):
        return [searched.condition]
    return [searched.ilike(bindparam(f"word_{at}")) for at in range(word_count)]


def columns(searched: Searched, word_count: int) -> Sequence[ColumnElement[Any]]:
    """The columns that a search adds to a record."""
    return searched.columns if word_count and isinstance(searched, TextSearch) else ()
