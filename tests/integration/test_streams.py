"""Streams: by repositories, by `yield_per` and by `stream_results`."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import selectinload

from app.db import Query, Sort, UnitOfWorkError, UnitRolledBack
from tests.library import BOOKS, SHELVES, Book, Shelf

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db import Database

BY_TITLE = (Sort("title"),)
COUNT = 25


@pytest.fixture
def books(library: Database) -> Database:
    """Twenty-five books on a shelf."""
    with library.session() as session:
        shelf = SHELVES.add(session, Shelf(name="s")).id
        rows = [
            {"title": f"{i:02}", "isbn": f"{i:02}", "shelf_id": shelf, "copies": i}
            for i in range(COUNT)
        ]
        BOOKS.insert_many(session.connection(), rows)
    return library


TITLES = [f"{i:02}" for i in range(COUNT)]
IN_ORDER = select(Book).order_by(Book.title)


@pytest.mark.parametrize("batch", [1, 5, 24, 25, 26])
def test_yield_per_shows_every_row_once(books: Database, batch: int) -> None:
    """By the ORM and by Core, whether or not the batches end with the rows."""
    with books.session() as session:
        entities = session.scalars(IN_ORDER.execution_options(yield_per=batch))
        assert [book.title for book in entities] == TITLES
        connection = session.connection()
        rows = connection.execution_options(yield_per=batch).execute(
            select(Book.title).where(Book.copies >= 2).order_by(Book.title)
        )
        assert rows.scalars().all() == TITLES[2:]


@pytest.mark.parametrize(
    "read",
    [
        lambda result: result.all(),
        lambda result: [result.fetchone() for _ in range(COUNT)],
        lambda result: result.fetchmany(COUNT),
        lambda result: [row for rows in result.partitions(7) for row in rows],
        lambda result: [result.first()] + [(title,) for title in TITLES[1:]],
    ],
    ids=["all", "fetchone", "fetchmany", "partitions", "first"],
)
def test_stream_results_is_read_like_any_result(
    books: Database, read: Callable[[Any], list[Any]]
) -> None:
    """`max_row_buffer` says how many rows come in a message."""
    statement = text("SELECT title FROM library_books ORDER BY title;").execution_options(
        stream_results=True, max_row_buffer=4
    )
    with books.connect() as connection:
        result = connection.execute(statement)
        assert list(result.keys()) == ["title"]
        assert [row[0] for row in read(result)] == TITLES


def test_a_stream_in_a_stream(books: Database) -> None:
    """Each has a cursor of its own; other statements may come between, and change rows."""
    with books.session() as session:
        for outer in session.scalars(IN_ORDER.execution_options(yield_per=10)):
            copies = select(Book.copies).order_by(Book.copies).execution_options(yield_per=10)
            assert len(session.scalars(copies).all()) == COUNT
            outer.copies += 100
            session.flush()
        assert session.scalar(select(func.min(Book.copies))) == 100


def test_a_repository_streams_entities(books: Database) -> None:
    """With the filters and the order of the query, and what is to be loaded with them."""
    query = Query(sort=BY_TITLE, filters={"copies__gte": 5}, limit=1)
    with books.session() as session:
        load = [selectinload(Book.shelf)]
        found = BOOKS.stream_entities(session, query, batch=7, load=load)
        assert [(book.title, book.shelf and book.shelf.name) for book in found] == [
            (title, "s") for title in TITLES[5:]
        ]


def test_streamed_entities_are_not_kept(books: Database) -> None:
    """Memory does not grow with the rows."""
    with books.session() as session:
        for _ in BOOKS.stream_entities(session, Query(sort=BY_TITLE), batch=5):
            gc.collect()
            assert len(session.identity_map) <= 10


@pytest.mark.parametrize(
    "read",
    [
        lambda session: list(BOOKS.stream(session.connection(), Query())),
        lambda session: list(BOOKS.stream_entities(session, Query())),
        lambda session: session.scalars(IN_ORDER.execution_options(yield_per=5)).all(),
    ],
    ids=["records", "entities", "yield_per"],
)
def test_a_read_only_unit_of_single_statements_names_the_way(
    books: Database, read: Callable[[Any], Any]
) -> None:
    """A stream needs a transaction that stays open; with an isolation there is one."""
    with (
        pytest.raises(UnitOfWorkError, match="isolation='REPEATABLE READ'"),
        books.session(read_only=True) as session,
    ):
        read(session)
    with books.session(read_only=True, isolation="REPEATABLE READ") as session:
        assert len(read(session)) == COUNT


def test_a_stream_that_outlives_its_unit_reads_nothing(books: Database) -> None:
    """Its connection may work for another unit by now."""
    with books.connect() as connection:
        statement = select(Book.title).execution_options(yield_per=5)
        rows = connection.execute(statement).scalars()
        assert rows.fetchmany(5)
    with books.connect() as connection:
        with pytest.raises(UnitOfWorkError, match="inside its unit"):
            rows.all()
        rows.close()
        assert connection.scalar(select(func.count()).select_from(Book)) == COUNT


def test_a_stream_in_a_unit_that_failed_reads_nothing(books: Database) -> None:
    """As every other statement of the unit."""
    with pytest.raises(UnitRolledBack), books.connect() as connection:
        rows = connection.execute(select(Book.title).execution_options(yield_per=5))
        rows.fetchmany(5)
        with pytest.raises(ZeroDivisionError), books.connect():
            raise ZeroDivisionError
        rows.all()


def test_a_stream_that_is_left_early_is_closed(books: Database) -> None:
    """Nothing of it is left in the server, in the same unit."""
    with books.session() as session:
        found = BOOKS.stream_entities(session, Query(), batch=5)
        assert next(found)
        found.close()  # type: ignore[attr-defined] # it is a generator
        cursors = session.connection().execute(text("SELECT count(*) FROM pg_cursors"))
        assert cursors.scalar() == 0
