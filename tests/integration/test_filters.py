"""What may be asked of a resource, and what is refused."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from app.db import Query, Sort, filters_on
from app.db.errors import InvalidCriterion, InvalidCursor
from tests.catalogue import ARTICLES, FAMILIES, Colour, Family
from tests.library import BOOKS, Book

if TYPE_CHECKING:
    from app.db import Database

KEY = UUID(int=7)


@pytest.fixture
def three(catalogue: Database) -> Database:
    """Articles A, AB and C; the first two in a family."""
    with catalogue.session() as session:
        family = FAMILIES.add(session, Family(name="First"))
        FAMILIES.add(session, Family(name="empty"))
        connection = session.connection()
        rows: list[dict[str, Any]] = [
            {"name": "A", "colour": Colour.RED, "price": Decimal("1.5"), "weight": 1.0},
            {"name": "AB", "colour": Colour.BLUE, "price": Decimal(2), "weight": 2.5},
            {"name": "C", "due": date(2026, 3, 1), "part_of_id": None},
        ]
        for code, row in enumerate(rows):
            row |= {"code": str(code), "family_id": family.id if code < 2 else None}
        ids = ARTICLES.insert_many(connection, rows)
        ARTICLES.update_where(connection, {"part_of_id": ids[0]}, at_most=1, name="C")
    return catalogue


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"colour": Colour.RED}, "A"),
        ({"colour__in": [Colour.RED, Colour.BLUE]}, "A AB"),
        ({"colour__ne": Colour.RED}, "AB C"),
        ({"colour__is_null": True}, "C"),
        ({"price__gt": Decimal("1.5")}, "AB"),
        ({"price__in": [Decimal("1.50"), 2]}, "A AB"),
        ({"price__lt": Decimal("Infinity")}, "A AB"),
        ({"weight__lte": 1}, "A"),
        ({"weight": 2.5}, "AB"),
        ({"due": date(2026, 3, 1)}, "C"),
        ({"due__lt": date(2026, 3, 1)}, ""),
        ({"name__begins": "A"}, "A AB"),
        ({"name__begins": "%"}, ""),
        ({"family_name": "FIRST"}, "A AB"),
        ({"family_name__contains": "ir", "name": "A"}, "A"),
        ({"part_of_name__in": ["A", "B"]}, "C"),
        ({"part_of_name": "C"}, ""),
    ],
    ids=str,
)
def test_filters_find_what_fits(three: Database, filters: dict[str, Any], names: str) -> None:
    """In Core, in the ORM and in mass writes alike."""
    query = Query(filters=filters, sort=(Sort("name"),))
    with three.session() as session:
        connection = session.connection()
        found = [row["name"] for row in ARTICLES.records(connection, query).items]
        assert (
            [article.name for article in ARTICLES.page(session, query).items]
            == found
            == names.split()
        )
        changed = ARTICLES.update_where(connection, {"kind": "found"}, at_most=3, **filters)
        assert len(changed) == len(found)


def test_a_filter_goes_through_a_collection(three: Database) -> None:
    """Each filter asks whether some live row fits."""
    with three.connect() as connection:
        assert FAMILIES.count(connection, articles_name="AB", articles_colour=Colour.RED) == 1
        assert FAMILIES.count(connection, articles_name="C") == 0
        ids = ARTICLES.update_where(connection, {"kind": "k"}, at_most=1, name="AB")
        ARTICLES.soft_delete(connection, ids[0])
        assert FAMILIES.count(connection, articles_name="AB") == 0


@pytest.mark.parametrize(
    "filters",
    [
        {"colour": "RED"},
        {"colour__contains": Colour.RED},
        {"price": 1.5},
        {"price": True},
        {"weight": "1"},
        {"due": datetime(2026, 3, 1)},  # noqa: DTZ001 - a time is no date
        {"name__ends": "A"},
        {"name__begins": 1},
        {"family_name__is_null": True},
        {"family__name": "First"},
        {"name": "a\0"},
        {"name__contains": "\ud800"},
        {"name__in": ["A", "\0"]},
        {"name__begins": "\0"},
    ],
    ids=ascii,
)
def test_filters_fail_closed(catalogue: Database, filters: dict[str, Any]) -> None:
    """Never "all rows", and never an error of the driver."""
    with catalogue.connect(read_only=True) as connection:
        with pytest.raises(InvalidCriterion):
            ARTICLES.records(connection, Query(filters=filters))


@pytest.mark.parametrize("search", ["a\0", "b \ud800"], ids=ascii)
def test_a_search_that_is_no_text_is_refused(library: Database, search: str) -> None:
    class Searched(type(BOOKS)):  # type: ignore[misc] # a base class that mypy cannot see
        searched = Book.title.expression

    with library.connect(read_only=True) as connection:
        with pytest.raises(InvalidCriterion):
            Searched().records(connection, Query(search=search))


def test_a_type_without_operators_needs_some(library: Database) -> None:
    with pytest.raises(TypeError, match="cover"):
        filters_on(Book.cover)
    empty = filters_on(Book.cover, operators={"is": lambda column, value: column == value})
    assert set(empty["cover"].operators) == {"is", "is_null"}


@pytest.mark.parametrize(
    "after",
    [
        (),
        ("A",),
        ("A", KEY, 1),
        ("A", "no id"),
        (1, KEY),
        (None, KEY),
        ("A\0", KEY),
        ("\ud800", KEY),
        ("A", None),
    ],
    ids=ascii,
)
def test_a_cursor_that_fits_no_row_is_refused(library: Database, after: tuple[Any, ...]) -> None:
    """Too short, too long, of other types, or NULL where no row has NULL."""
    query = Query(sort=(Sort("title"),), after=after)
    with library.session(read_only=True) as session:
        with pytest.raises(InvalidCursor):
            BOOKS.records(session.connection(), query)
        with pytest.raises(InvalidCursor):
            BOOKS.page(session, query)


def test_entities_need_no_sort(library: Database) -> None:
    """They come in the order of the ids."""
    with library.session() as session:
        for isbn in ("1", "2", "3"):
            BOOKS.add(session, Book(title="T", isbn=isbn))
        page = BOOKS.page(session, Query(sort=(), limit=2))
        assert [book.isbn for book in page.items] == ["1", "2"]
        page = BOOKS.page(session, Query(sort=(), limit=2, after=page.next))
        assert [book.isbn for book in page.items] == ["3"]
        assert [book.isbn for book in BOOKS.all(session, Query(sort=()))] == ["1", "2", "3"]
