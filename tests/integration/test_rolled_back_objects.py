"""A unit of work that is rolled back leaves its objects as they were before it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, inspect, select, text, update
from sqlalchemy.orm import load_only, selectinload
from uuid_utils.compat import uuid7

from app.db.errors import Contention, NotUnique
from app.db.testing import DROP, Faults
from tests.library import BOOKS, SHELVES, Book, Shelf
from tests.orders import Label, Order
from tests.owners import in_a_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from app.db import Database

    Fail = Callable[[Connection], None]

TABLE = Book.__table__


def conflict(connection: Connection) -> None:
    connection.execute(text("DO $$BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END$$"))


def lose_connection(connection: Connection) -> None:
    connection.execute(select(func.pg_terminate_backend(func.pg_backend_pid())))


def rows(library: Database) -> list[tuple[Any, ...]]:
    with library.connect(read_only=True) as connection:
        found = connection.execute(select(TABLE.c.title, TABLE.c.copies, TABLE.c.version))
        return sorted(map(tuple, found))


def shelve(library: Database, **values: Any) -> Book:
    with library.session() as session:
        return BOOKS.add(session, Book(**{"title": "T", "isbn": "1", **values}))


def change_elsewhere(library: Database, **values: Any) -> None:
    with library.connect() as connection:
        connection.execute(update(TABLE).values(**values))


def twice(library: Database, write: Callable[[Any], object], fail: Fail = conflict) -> None:
    """Run the write in a unit that fails once after it was flushed."""
    attempts: list[int] = []

    def work(connection: Connection) -> None:
        attempts.append(1)
        with library.session() as session:
            write(session)
            session.flush()
            if len(attempts) == 1:
                fail(connection)

    library.run(work)
    assert len(attempts) == 2


@pytest.mark.parametrize("fail", [conflict, lose_connection])
def test_a_retry_inserts_an_object_that_was_made_outside(library: Database, fail: Fail) -> None:
    """It is new again, whatever ended the first attempt."""
    book = Book(title="T", isbn="1")
    twice(library, lambda session: BOOKS.add(session, book), fail)
    assert rows(library) == [("T", 1, 1)]
    assert book.version == 1


@pytest.mark.parametrize("how", ["40001", DROP])
def test_a_retry_inserts_after_a_conflict_at_any_message(library: Database, how: str) -> None:
    """COMMIT included, unless the connection is lost there."""
    messages: list[int | str] = [1, "COMMIT"] if how == "40001" else [1]
    for number, at in enumerate(messages):
        book = Book(title="T", isbn=str(number))

        def work(_: Connection, book: Book = book) -> None:
            with library.session() as session:
                BOOKS.add(session, book)

        with Faults(library, at, how) as faults:
            library.run(work)
        assert faults.struck == 1
    assert len(rows(library)) == len(messages)


def test_a_caller_may_add_a_new_object_again(library: Database) -> None:
    """After an error of its own, and after one of the database."""
    book = Book(title="T", isbn="1")
    with pytest.raises(LookupError), library.session() as session:
        BOOKS.add(session, book)
        session.flush()
        raise LookupError
    assert inspect(book).transient
    other = shelve(library)
    with pytest.raises(NotUnique), library.session() as session:
        BOOKS.add(session, book)
    with library.session() as session:
        session.delete(session.get_one(Book, other.id))
        session.flush()
        BOOKS.add(session, book)
    assert rows(library) == [("T", 1, 1)]


def test_a_new_object_is_new_again_after_the_rollback_failed(library: Database) -> None:
    """On a connection that is lost unnoticed; the server has rolled back."""
    book = Book(title="T", isbn="1")
    with pytest.raises(LookupError), library.session() as session:
        BOOKS.add(session, book)
        session.flush()
        pid = session.scalars(select(func.pg_backend_pid())).one()
        assert in_a_thread(lambda: kill(library, pid)) == []
        raise LookupError
    with library.session() as session:
        BOOKS.add(session, book)
    assert rows(library) == [("T", 1, 1)]


def kill(library: Database, pid: int) -> None:
    with library.connect(read_only=True) as connection:
        assert connection.scalar(select(func.pg_terminate_backend(pid, 60_000)))


def test_a_new_object_forgets_what_the_unit_wrote_to_it(library: Database) -> None:
    """It is what it was when it was added."""
    book = Book(title="T", isbn="1")
    with pytest.raises(LookupError), library.session() as session:
        BOOKS.add(session, book)
        session.flush()
        book.title = "changed"
        session.flush()
        raise LookupError
    with library.session() as session:
        BOOKS.add(session, book)
    assert rows(library) == [("T", 1, 1)]


def test_a_new_object_forgets_what_its_undone_row_went_through(library: Database) -> None:
    """Neither what a Core statement changed nor what the database filled in is inserted again."""
    book = Book(title="T", isbn="1", copies=1)
    times = []

    def write(session: Any) -> None:
        BOOKS.add(session, book)
        session.flush()
        times.append(book.created_at)
        session.connection().execute(update(TABLE).values(copies=TABLE.c.copies + 1))
        assert book.copies == 2

    twice(library, write)
    assert rows(library) == [("T", 2, 2)]
    assert times[0] < times[1]
    assert book.created_at == times[1]


def test_new_objects_that_refer_to_each_other_are_inserted_again(library: Database) -> None:
    """With the references."""
    shelf = Shelf(name="s", books=[Book(title="T", isbn="1")])
    twice(library, lambda session: SHELVES.add(session, shelf))
    with library.session(read_only=True) as session:
        found = SHELVES.get(session, shelf.id, load=[selectinload(Shelf.books)])
        assert found is not None
        assert [book.title for book in found.books] == ["T"]


def test_an_object_of_a_savepoint_that_was_rolled_back_is_new_again(library: Database) -> None:
    """Adding it after the savepoint inserts it."""
    book = Book(title="T", isbn="1")
    with library.session() as session:
        with suppress(LookupError), library.savepoint():
            BOOKS.add(session, book)
            session.flush()
            session.connection().execute(update(TABLE).values(title="changed"))
            assert book.title == "changed"
            raise LookupError
        BOOKS.add(session, book)
    assert rows(library) == [("T", 1, 1)]


def test_a_retry_writes_what_was_changed_outside(library: Database) -> None:
    """The first attempt must not forget it."""
    book = shelve(library)
    book.title = "changed outside"
    twice(library, lambda session: session.add(book))
    assert rows(library) == [("changed outside", 1, 2)]


def test_a_retry_deletes_what_was_read_outside(library: Database) -> None:
    """The object is there again after the first attempt."""
    book = shelve(library)
    twice(library, lambda session: session.delete(book))
    assert rows(library) == []


def test_a_retry_writes_a_collection_that_was_changed_outside(library: Database) -> None:
    """And inserts the new object in it."""
    with library.session() as session:
        shelf = SHELVES.add(session, Shelf(name="s", books=[Book(title="old", isbn="1")]))
    shelf.books.append(Book(title="new", isbn="2"))
    twice(library, lambda session: session.add(shelf))
    with library.session(read_only=True) as session:
        found = SHELVES.get(session, shelf.id, load=[selectinload(Shelf.books)])
        assert found is not None
        assert sorted(book.title for book in found.books) == ["new", "old"]


def retitle(session: Any, book: Book) -> None:
    session.add(book)
    book.title = "mine"


def merge(session: Any, book: Book) -> None:
    book.title = "mine"
    session.merge(book)


def retitle_after_a_core_statement(session: Any, book: Book) -> None:
    """It expires the book, whose row is then read again."""
    session.add(book)
    other = update(TABLE).where(TABLE.c.id == uuid7()).values(title="x")
    session.connection().execute(other)
    book.title = "mine"


@pytest.mark.parametrize("write", [retitle, merge, retitle_after_a_core_statement])
def test_a_stale_object_never_overwrites_what_another_unit_has_written(
    library: Database, write: Callable[[Any, Book], None]
) -> None:
    """Neither `run` nor the caller gets it through by trying again."""
    book = shelve(library)
    change_elsewhere(library, title="theirs")
    attempts: list[int] = []

    def work(_: Connection) -> None:
        attempts.append(1)
        with library.session() as session:
            write(session, book)

    for count in (1, 2):
        with pytest.raises(Contention, match="outside"):
            library.run(work)
        assert len(attempts) == count
    assert rows(library) == [("theirs", 1, 2)]


def test_an_object_that_the_attempt_read_itself_is_written_by_the_next_one(
    library: Database,
) -> None:
    """The next attempt reads it again, and so sees what the other unit has written."""
    key = shelve(library).id
    attempts: list[int] = []

    def raise_copies() -> None:
        assert in_a_thread(lambda: change_elsewhere(library, copies=TABLE.c.copies + 10)) == []

    def work(_: Connection) -> None:
        attempts.append(1)
        with library.session() as session:
            book = session.get_one(Book, key)
            if len(attempts) == 1:
                raise_copies()
            book.copies += 1

    library.run(work)
    assert len(attempts) == 2
    assert rows(library) == [("T", 12, 3)]


def test_an_attribute_that_was_written_unread_is_unknown_after_a_failed_unit(
    library: Database,
) -> None:
    """And is read with the others by the next unit."""
    key = shelve(library).id
    with pytest.raises(LookupError), library.session() as session:
        book = session.scalars(select(Book).options(load_only(Book.isbn))).one()
        book.title = "changed"
        raise LookupError
    with library.session() as session:
        session.add(book)
        assert (book.id, book.title, book.isbn) == (key, "T", "1")


def test_what_a_failed_unit_has_read_can_be_looked_at(library: Database) -> None:
    """What it has written shows what the database holds."""
    key, other = shelve(library).id, shelve(library, isbn="2").id
    with pytest.raises(LookupError), library.session() as session:
        read, written = session.get_one(Book, key), session.get_one(Book, other)
        written.title = "flushed"
        session.flush()
        written.copies = 9
        raise LookupError
    assert (read.title, read.version) == ("T", 1)
    assert (written.title, written.copies, written.version) == ("T", 1, 1)


def test_a_retry_writes_the_collections_of_a_new_object_again(orders_database: Database) -> None:
    """Also the rows of a `secondary` table, and as they were before the first attempt."""
    order = Order(name="A", tags=[Label(code="1"), Label(code="2")])

    def work(connection: Connection) -> None:
        with orders_database.session() as session:
            session.add(order)
            session.flush()
            order.tags.append(Label(code="3"))
            session.flush()
            attempts.append(connection)
            if len(attempts) == 1:
                conflict(connection)

    attempts: list[Connection] = []
    orders_database.run(work, deadline=60)
    with orders_database.session(read_only=True) as session:
        tags = session.scalars(select(Label.code).join(Order.tags)).all()
    assert (len(attempts), sorted(tags)) == (2, ["1", "2", "3"])
