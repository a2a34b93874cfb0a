"""The words that full-text search knows, and the tables that have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.db import Base
from app.db.repository.search import SearchWords, search_column
from app.models.base import CHANGED, PERSONAL

if TYPE_CHECKING:
    from sqlalchemy import Table


class SearchWord(SearchWords, Base):
    __table_args__: Any = (*SearchWords.indexes(), {"info": {CHANGED: ()}})


def make_searchable(table: Table, weights: dict[str, str]) -> None:
    """Give the table its search column; raises ValueError for personal data.

    Words outlive the rows in which they occurred.
    """
    if personal := [name for name in weights if table.c[name].info.get(PERSONAL)]:
        raise ValueError(f"Words outlive their rows: {personal} may not be among them.")
    search_column(table, weights)
