"""The tables of full-text search: a generated column, and the words that occur in it."""

from uuid import UUID

from sqlalchemy import Column, Computed, Index, Table, Text, func
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from ...marks import INTERNAL

COLUMN = "search"
CONFIG = "english"
# PostgreSQL's parser takes paths, hosts, addresses and signed numbers for one word each. With
# blanks in them, each of their parts is found.
APART = ("<>&-+./@_~:", " " * 11)


# No list of pending entries: it would speed up writes and slow down every search.
_READ_OFTEN = {"fastupdate": "off"}


class SearchWords:
    """Mixin for the table `search_words`: a service that searches declares it once.

    A row is a lexeme that occurs, or did, in what `resource` is searched by: what a typo may mean.
    Triggers add new ones without any lock: two that add the same word at once both do.
    """

    __tablename__ = "search_words"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    resource: Mapped[str]
    word: Mapped[str] = mapped_column(Text(collation="C"))

    @staticmethod
    def indexes() -> tuple[Index, Index]:
        """For the table's `__table_args__`."""
        trigrams = Index(
            "ix_search_words_word",
            "word",
            postgresql_using="gin",
            postgresql_ops={"word": "gin_trgm_ops"},
            postgresql_with=_READ_OFTEN,
        )
        return Index("ix_search_words_resource", "resource", "word"), trigrams


def search_column(table: Table, weights: dict[str, str]) -> None:
    """Give the table its search column, of the named columns with a weight from A to D each.

    The column is the table's alone, no attribute of the model: only queries look at it.
    """
    parts = [
        f"setweight(to_tsvector('{CONFIG}'::regconfig,"
        f" translate({name}, '{APART[0]}'::text, '{APART[1]}'::text)), '{weight}'::\"char\")"
        for name, weight in weights.items()
    ]
    vector = Computed(" || ".join(parts), persisted=True)
    table.append_column(Column(COLUMN, TSVECTOR, vector, info={INTERNAL: True}))
    Index(
        f"ix_{table.name}_search",
        table.c[COLUMN],
        postgresql_using="gin",
        postgresql_with=_READ_OFTEN,
    )
