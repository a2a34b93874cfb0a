"""A row inserted by one statement, and the entity that is returned for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import inspect

from app.db import Query
from app.db.errors import Invalid, NotUnique, UnknownReference
from app.db.testing import RoundTrips
from tests.library import BOOKS, Book

if TYPE_CHECKING:
    from app.db import Database

NEW = {"title": "A", "isbn": "1", "notes": {"a": [1]}, "tags": None}


def test_it_has_every_value_of_its_row(library: Database) -> None:
    """Those that the model or the table gives too, in one message and COMMIT."""
    with RoundTrips(library) as trips, library.connect() as connection:
        book = BOOKS.insert(connection, NEW)
    assert len(trips) == 2
    with library.session(read_only=True) as session:
        loaded = BOOKS.get(session, book.id)
        names = inspect(Book).column_attrs.keys()
        assert [getattr(book, n) for n in names] == [getattr(loaded, n) for n in names]
    assert (book.copies, book.version, book.tags) == (1, 1, None)


def test_it_belongs_to_no_session(library: Database) -> None:
    with library.connect() as connection:
        book = BOOKS.insert(connection, NEW)
    assert inspect(book).detached
    assert NEW.keys() == {"title", "isbn", "notes", "tags"}  # what the caller gave is not changed


def test_a_session_goes_on_with_it(library: Database) -> None:
    """Its version guards it, and it is read again after a statement that changed its row."""
    with library.session() as session:
        book = BOOKS.insert(session.connection(), NEW)
        session.add(book)
        assert BOOKS.get(session, book.id) is book
        BOOKS.update(session, book, {"title": "B"})
        assert book.version == 2
        BOOKS.update_where(session.connection(), {"title": "C"}, at_most=1, isbn="1")
        assert (book.title, book.version) == ("C", 3)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({**NEW, "isbn": "taken"}, NotUnique),
        ({**NEW, "isbn": "2", "copies": -1}, Invalid),
        ({**NEW, "isbn": "2", "copies": 2**40}, Invalid),
        ({**NEW, "isbn": None}, Invalid),
        ({**NEW, "isbn": "a\0"}, Invalid),
        (
            {**NEW, "isbn": "2", "shelf_id": "00000000-0000-7000-8000-000000000000"},
            UnknownReference,
        ),
        ({**NEW, "isbn": "2", "shelf": None}, AttributeError),
        ({**NEW, "notes": {"a": object()}}, TypeError),
    ],
    ids=["taken", "check", "range", "required", "text", "reference", "relationship", "json"],
)
def test_a_row_that_is_refused_is_refused_as_by_the_orm(
    library: Database, values: dict[str, object], error: type[Exception]
) -> None:
    with library.connect() as connection:
        BOOKS.insert(connection, {**NEW, "isbn": "taken"})
    with pytest.raises(error), library.connect() as connection:
        BOOKS.insert(connection, values)
    with library.connect(read_only=True) as connection:
        assert [row["isbn"] for row in BOOKS.records(connection, Query()).items] == ["taken"]
