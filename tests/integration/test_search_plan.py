"""What PostgreSQL does for a search: it looks into an index, and at no more than it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Column, MetaData, Table, Text

from app.db import CHANGES_NOTHING, Query
from app.db.errors import InvalidCriterion
from app.db.repository import statements
from app.db.repository.counts import explain
from app.db.repository.search.full_text import BY_RANK
from app.models.base import PERSONAL
from app.models.search import make_searchable
from app.repositories import FaqRepository

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.db import Database

FAQS = FaqRepository()
MANY = """
    INSERT INTO faqs (id, question, answer)
    SELECT gen_random_uuid(), 'Fee ' || n, 'word' || n %% 90 || repeat(' text', 20)
    FROM generate_series(1, 3000) AS n
"""


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


@pytest.fixture
def plan(
    database: Database, sql: Callable[..., object], vacuum: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Of a page of 34 that are found among 3,000, from the top down."""
    sql(MANY)
    vacuum("faqs")
    query = Query(search="word77", sort=BY_RANK)
    statement = statements.page(FAQS, statements.shape(query))
    with database.connect() as connection:
        options = {CHANGES_NOTHING: True}
        bound = {"search": "'word77':*", "limit": 26}
        found = connection.execute(explain(statement), bound, execution_options=options)
        return list(nodes(found.scalar_one()[0]["Plan"]))


def test_a_search_looks_into_the_index(plan: list[dict[str, Any]]) -> None:
    """And not at the rows that lack the word."""
    assert [node["Index Name"] for node in plan if "Index Name" in node] == ["ix_faqs_search"]
    assert "Seq Scan" not in {node["Node Type"] for node in plan}


def test_snippets_are_made_of_the_page_alone(plan: list[dict[str, Any]]) -> None:
    """Below the limit and above the sort: of what is found only the best are looked at."""
    assert [node["Node Type"] for node in plan][:3] == ["Limit", "Result", "Sort"]


def test_a_misspelt_word_is_looked_up_by_its_trigrams(
    database: Database, sql: Callable[..., list[tuple[Any, ...]]], vacuum: Callable[[str], None]
) -> None:
    """Among many words, by an index too."""
    sql("INSERT INTO search_words (resource, word) SELECT 'x', md5(n::text)"
        " FROM generate_series(1, 20000) AS n")  # fmt: skip
    vacuum("search_words")
    lines = sql(
        "EXPLAIN SELECT word FROM search_words WHERE resource = 'x' AND word %% %s", "misspelt"
    )
    assert any("ix_search_words_word" in line for (line,) in lines)


def test_entities_have_no_rank(database: Database) -> None:
    """They are searched in the order of their own columns."""
    with database.session(read_only=True) as session:
        assert FAQS.page(session, Query(search="fee")).items == []
        with pytest.raises(InvalidCriterion):
            FAQS.page(session, Query(search="fee", sort=BY_RANK))
        with pytest.raises(InvalidCriterion):
            FAQS.records(session.connection(), Query(sort=BY_RANK))


def test_personal_columns_are_not_made_searchable() -> None:
    """Their words would stay when the person is forgotten."""
    people = Table("people", MetaData(), Column("name", Text, info={PERSONAL: True}))
    with pytest.raises(ValueError, match="name"):
        make_searchable(people, {"name": "A"})
