"""Reads beyond the single row and the keyset page."""

from __future__ import annotations

import threading
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import selectinload

from app.db import Query, Sort, lock_name, try_lock_name
from app.db.errors import DatabaseUnreachable, LockTimeout
from app.db.testing import RoundTrips
from tests.library import BOOKS, SHELVES, Book, Shelf

if TYPE_CHECKING:
    from uuid import UUID

    from app.db import Database

BY_TITLE = (Sort("title"),)


@pytest.fixture
def ten(library: Database) -> list[UUID]:
    """Ten books, T0 to T9."""
    rows = [{"isbn": f"{i}", "title": f"T{i}", "copies": i} for i in range(10)]
    with library.connect() as connection:
        return BOOKS.insert_many(connection, rows)


def test_numbered_pages_tell_the_total_on_every_page(library: Database, ten: list[UUID]) -> None:
    """Past the last page too, where the items have run out."""
    query = Query(sort=BY_TITLE, limit=4)
    with library.connect(read_only=True) as connection:
        pages = [BOOKS.numbered(connection, query, number) for number in (1, 3, 9)]
    assert [[row["title"] for row in page.items] for page in pages] == [
        ["T0", "T1", "T2", "T3"],
        ["T8", "T9"],
        [],
    ]
    assert {(page.pages, page.total) for page in pages} == {(3, 10)}


def test_all_takes_a_limit_and_an_offset(library: Database, ten: list[UUID]) -> None:
    """There is no unbounded read of entities."""
    with library.session(read_only=True) as session:
        found = BOOKS.all(session, Query(sort=BY_TITLE, limit=2), offset=3)
        assert [book.title for book in found] == ["T3", "T4"]


def test_get_many_answers_in_the_order_of_the_ids(library: Database, ten: list[UUID]) -> None:
    """Whatever the order they were asked in; missing ones are left out."""
    with library.session() as session:
        BOOKS.soft_delete(session.connection(), ten[0])
        found = BOOKS.get_many(session, [ten[5], ten[0], ten[2]], lock=True)
        assert [book.id for book in found] == sorted([ten[2], ten[5]])
        assert BOOKS.get_many(session, []) == []


def test_a_stream_reads_everything_in_constant_memory(library: Database) -> None:
    """Fifteen megabytes pass through less than two, in the order of the query."""
    rows = ((f"{i:05}", f"{i:05}" + "x" * 300) for i in range(50_000))
    with library.connect() as connection:
        BOOKS.copy(connection, ("isbn", "title"), rows)
    count, last = 0, ""
    with library.connect(read_only=True, isolation="REPEATABLE READ") as connection:
        tracemalloc.start()
        for row in BOOKS.stream(connection, Query(sort=BY_TITLE, limit=1), batch=500):
            count += 1
            assert row["title"] > last
            last = row["title"]
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert count == 50_000
    assert peak < 4_000_000


def test_a_stream_has_the_filters_and_types_of_a_list(library: Database, ten: list[UUID]) -> None:
    """It is the same rows, without pages."""
    query = Query(sort=BY_TITLE, filters={"copies__gte": 7})
    with library.connect() as connection:
        streamed = list(BOOKS.stream(connection, query, batch=2))
        assert streamed == BOOKS.records(connection, query).items


def test_a_stream_left_early_leaves_nothing_behind(library: Database, ten: list[UUID]) -> None:
    """The cursor ends with the unit; another stream in the unit has one of its own."""
    with library.connect() as connection:
        first, second = (BOOKS.stream(connection, Query(), batch=2) for _ in range(2))
        assert next(first) == next(second)
    with library.connect() as connection:
        assert connection.execute(select(func.count()).select_from(func.pg_cursor())).scalar() == 0


def test_what_was_not_asked_for_does_not_load(library: Database, ten: list[UUID]) -> None:
    """Reading a relationship that was not loaded on purpose is an error, not a query."""
    with library.session() as session:
        shelf = SHELVES.add(session, Shelf(name="s"))
        book = BOOKS.get(session, ten[0], lock=True)
        assert book is not None
        BOOKS.update(session, book, {"shelf_id": shelf.id})
        with pytest.raises(InvalidRequestError, match="raise"):
            _ = book.shelf


def test_eager_loading_costs_a_fixed_number_of_statements(library: Database) -> None:
    """One for the page and one for all of its shelves, however many there are."""
    for size in (1, 6):
        with library.session() as session:
            for i in range(size):
                shelf = SHELVES.add(session, Shelf(name="s"))
                BOOKS.add(session, Book(title="T", isbn=f"{size}{i}", shelf_id=shelf.id))
        with RoundTrips(library) as round_trips, library.session(read_only=True) as session:
            page = BOOKS.page(session, Query(), load=[selectinload(Book.shelf)])
            assert all(book.shelf is not None for book in page.items)
            assert len(round_trips) == 2
            round_trips.check_no_repeats()


def test_ordered_locks_neither_deadlock_nor_lose_an_update(
    library: Database, ten: list[UUID]
) -> None:
    """Eight threads each add one to the same rows, asked for in every order."""

    def add_one(turn: int) -> None:
        keys = ten[turn:] + ten[:turn]
        for _ in range(10):
            with library.session() as session:
                for book in BOOKS.get_many(session, keys, lock=True):
                    book.copies += 1

    threads = [threading.Thread(target=add_one, args=(turn,)) for turn in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with library.session(read_only=True) as session:
        found = BOOKS.all(session, Query(sort=BY_TITLE))
        assert [(book.copies, book.version) for book in found] == [(i + 80, 81) for i in range(10)]


def test_a_name_is_held_by_one_unit_at_a_time(library: Database) -> None:
    """Until it ends; others wait for the lock timeout or do not get it."""
    outcomes: list[object] = []

    def other() -> None:
        with library.connect() as connection:
            outcomes.append(try_lock_name(connection, "job"))
            outcomes.append(try_lock_name(connection, "another"))

    def waiting() -> None:
        try:
            with library.connect() as connection:
                connection.exec_driver_sql("SET LOCAL lock_timeout = 50")
                lock_name(connection, "job")
        except (LockTimeout, DatabaseUnreachable) as error:
            outcomes.append(type(error))

    with library.connect() as connection:
        lock_name(connection, "job")
        for target in (other, waiting):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
    assert outcomes == [False, True, LockTimeout]
    with library.connect() as connection:
        assert try_lock_name(connection, "job")


@pytest.mark.parametrize("turn", [1, 2])
def test_the_rolled_back_library_is_empty_every_time(rolled_back: Database, turn: int) -> None:
    """What a test adds in it is gone with the test: the same isbn can be added again."""
    with rolled_back.session() as session:
        assert BOOKS.count(session.connection(), copies__gte=0) == 0
        BOOKS.add(session, Book(title="T", isbn="same"))


def test_a_query_per_row_is_found(library: Database, ten: list[UUID]) -> None:
    """The assertion that says so fails where it should."""
    with RoundTrips(library) as round_trips, library.connect(read_only=True) as connection:
        for key in ten:
            BOOKS.record(connection, key)
        with pytest.raises(AssertionError):
            round_trips.check_no_repeats()
