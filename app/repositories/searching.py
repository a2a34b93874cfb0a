"""What `q=` means: words that occur somewhere, or full-text search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, bindparam

from app.errors import InvalidCriterion
from app.repositories import criteria
from app.repositories.full_text import FullText

if TYPE_CHECKING:
    from sqlalchemy import Connection

Searched = ColumnElement[str] | FullText | None


def parameters(searched: Searched, connection: Connection, search: str | None) -> dict[str, Any]:
    """The bind parameters of a search."""
    if isinstance(searched, FullText):
        return {"search": searched.parse(connection, search)} if words(search) else {}
    return {f"word_{at}": criteria.like(word) for at, word in enumerate(words(search))}


def words(search: str | None) -> list[str]:
    return search.split() if search else []


def conditions(searched: Searched, word_count: int) -> list[ColumnElement[bool]]:
    if not word_count:
        return []
    if searched is None:
        raise InvalidCriterion("q", "The list has no search.")
    if isinstance(searched, FullText):
        return [searched.condition]
    return [searched.ilike(bindparam(f"word_{at}")) for at in range(word_count)]


def columns(searched: Searched, word_count: int) -> list[ColumnElement[Any]]:
    """What a record holds beside its own columns when it was searched for."""
    if not (word_count and isinstance(searched, FullText)):
        return []
    return [searched.rank, searched.snippet]
