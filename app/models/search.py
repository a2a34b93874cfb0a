"""The words that full-text search knows, and how a table becomes searchable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.db import Base
from app.db.repository.search import SearchWords, search_column
from app.models.base import CHANGED, PERSONAL

if TYPE_CHECKING:
    from sqlalchemy import Table


class SearchWord(SearchWords, Base):
    __table_args__ = (*SearchWords.indexes(), {"info": {CHANGED: ()}})


def make_searchable(table: Table, weights: dict[str, str]) -> None:
    """Add the search column to the table; `weights` maps columns to A (highest) to D.

    Raises ValueError for a PERSONAL column: the words of a row stay when the row is erased.
    """
    if personal := [name for name in weights if table.c[name].info.get(PERSONAL)]:
        raise ValueError(
            f"{table.name}: {personal} are PERSONAL and cannot be searched by words, which stay "
            "when a row is erased."
        )
    search_column(table, weights)
