"""Writes that are refused: what is changed then, and what the error says."""

from __future__ import annotations

import logging
import traceback
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, insert, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from app.db import BulkWriter
from app.db.errors import Invalid, NotUnique, TooManyRows
from tests.catalogue import ARTICLES, CatalogueResource
from tests.library import BOOKS, Book

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from app.db import Database

    Write = Callable[[Session], object]

SECRET = "Ann Smith"


def copies(connection: Connection) -> list[int]:
    return sorted(connection.execute(text("SELECT copies FROM library_books")).scalars())


@pytest.mark.parametrize("how", ["update_where", "delete"])
def test_too_many_rows_are_none(library: Database, how: str) -> None:
    """Nothing is changed, also where the caller catches the error and goes on."""
    with library.session() as session:
        connection = session.connection()
        BOOKS.insert_many(connection, [{"isbn": str(i), "title": "T"} for i in range(5)])
        book = BOOKS.find(session, isbn="1")
        for at_most in (0, 2, 4):
            with pytest.raises(TooManyRows):
                if how == "delete":
                    BOOKS.delete(connection, at_most=at_most, title="T")
                else:
                    BOOKS.update_where(connection, {"copies": 9}, at_most=at_most, title="T")
        BOOKS.update_where(connection, {"copies": 2}, at_most=1, isbn="1")
        assert book is not None
        assert book.copies == 2
        assert BOOKS.delete(connection, at_most=0, title="none") == []
    with library.connect() as connection:
        assert copies(connection) == [1, 1, 1, 1, 2]
        assert len(BOOKS.delete(connection, at_most=5, title="T")) == 5


def test_a_write_at_its_limit_reads_again_what_is_loaded(library: Database) -> None:
    """And a deleted object is no longer found."""
    with library.session() as session:
        connection = session.connection()
        book = BOOKS.add(session, Book(isbn="1", title="T"))
        assert BOOKS.update_where(connection, {"copies": 7}, at_most=1, isbn="1") == [book.id]
        assert (book.copies, book.version) == (7, 2)
        key = book.id
        assert BOOKS.delete(connection, at_most=1, isbn="1") == [key]
        assert BOOKS.get(session, key) is None


def test_update_each_writes_live_rows_and_equal_fields(library: Database) -> None:
    """It counts the rows that it found."""
    with library.connect() as connection:
        first, second = BOOKS.insert_many(
            connection, [{"isbn": str(i), "title": "T"} for i in range(2)]
        )
        BOOKS.soft_delete(connection, first)
        rows = [{"id": key, "title": "new"} for key in (first, second, uuid7())]
        assert BOOKS.update_each(connection, rows) == 1
        titles = connection.execute(text("SELECT title FROM library_books ORDER BY isbn"))
        assert list(titles.scalars()) == ["T", "new"]
        for unequal in (
            [{"id": second, "title": "a"}, {"id": first, "title": "b", "copies": 9}],
            [{"id": second, "title": "a", "copies": 9}, {"id": first, "title": "b"}],
            [{"title": "a"}],
        ):
            with pytest.raises(ValueError, match="same fields"):
                BOOKS.update_each(connection, unequal)


@pytest.mark.parametrize("name", ["id", "version", "created_at", "updated_at", "deleted_at"])
def test_no_write_changes_what_the_layer_sets(library: Database, name: str) -> None:
    """The key, the version and the times."""
    with library.session() as session:
        connection = session.connection()
        book = BOOKS.add(session, Book(isbn="1", title="T"))
        values = {name: getattr(book, name)}
        if name == "id":
            values["id"] = uuid7()
        writes: list[Callable[[], object]] = [
            lambda: BOOKS.update(session, book, values),
            lambda: BOOKS.upsert(connection, {"isbn": "1", "title": "T", **values}, on=["isbn"]),
            lambda: BOOKS.update_where(connection, values, at_most=1, isbn="1"),
            lambda: BOOKS.claim(connection, values, limit=1, isbn="1"),
        ]
        if name != "id":
            writes.append(lambda: BOOKS.update_each(connection, [{"id": book.id, **values}]))
        for write in writes:
            with pytest.raises(AttributeError, match=f"Book.{name} cannot be changed"):
                write()


LARGE = 2**31
WRITES: dict[str, Callable[[Session, dict[str, Any]], object]] = {
    "add": lambda session, values: BOOKS.add(session, Book(**values)),
    "update": lambda session, values: BOOKS.update(session, _added(session), values),
    "insert": lambda session, values: session.connection().execute(
        insert(Book.__table__), {"id": uuid7(), **values}
    ),
    "insert_many": lambda session, values: BOOKS.insert_many(session.connection(), [values]),
    "copy": lambda session, values: BOOKS.copy(
        session.connection(), tuple(values), [tuple(values.values())]
    ),
    "upsert": lambda session, values: BOOKS.upsert(session.connection(), values, on=["isbn"]),
    "update_where": lambda session, values: BOOKS.update_where(
        session.connection(), values, at_most=1, isbn=_added(session).isbn
    ),
    "update_each": lambda session, values: BOOKS.update_each(
        session.connection(), [{"id": _added(session).id, **values}]
    ),
}


def _added(session: Session) -> Book:
    return BOOKS.add(session, Book(isbn="0", title="old"))


@pytest.mark.parametrize("way", WRITES)
@pytest.mark.parametrize(
    ("values", "field", "code"),
    [
        ({"isbn": "1", "title": None, "copies": 1}, "title", "required"),
        ({"isbn": SECRET, "title": "T", "copies": LARGE}, "copies", "invalid"),
        ({"isbn": SECRET, "title": "T", "copies": -LARGE - 1}, "copies", "invalid"),
        ({"isbn": SECRET, "title": "a\0", "copies": 1}, "title", "invalid"),
        ({"isbn": SECRET, "title": "\ud800", "copies": 1}, "title", "invalid"),
        ({"isbn": SECRET, "title": "T", "copies": -1}, "copies", "invalid"),
    ],
    ids=ascii,
)
def test_a_value_that_does_not_fit_is_an_error_with_its_field(
    library: Database, way: str, values: dict[str, Any], field: str, code: str
) -> None:
    """On every path, also in COPY, and without the values of the row in any text."""
    with pytest.raises(Invalid) as caught, library.session() as session:
        WRITES[way](session, values)
    [mistake] = caught.value.mistakes
    assert mistake.code == code
    is_text_in_json = way in ("insert_many", "copy") and values["title"] in ("a\0", "\ud800")
    assert mistake.path == (field,) or is_text_in_json
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_text_that_is_too_long_has_its_field(catalogue: Database) -> None:
    with pytest.raises(Invalid, match="label") as caught, catalogue.connect() as connection:
        ARTICLES.insert_many(connection, [{"code": "1", "name": "A", "label": SECRET}])
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("way", ["add", "insert_many", "copy"])
def test_a_value_that_is_taken_is_not_in_the_error(library: Database, way: str) -> None:
    """Nor in what caused it."""
    with library.session() as session:
        BOOKS.add(session, Book(isbn=SECRET, title="T"))
    with pytest.raises(NotUnique) as caught, library.session() as session:
        WRITES[way](session, {"isbn": SECRET, "title": SECRET})
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT CAST(:value AS integer)",
        "SELECT no_such_function(:value)",
        "SELECT CAST(:value AS date)",
        "SELECT json_in(CAST(:value AS cstring))",
    ],
)
def test_no_error_of_postgresql_has_the_parameters(
    library: Database, statement: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether it has an error of its own in the layer or not."""
    with pytest.raises((DBAPIError, Invalid)) as caught, library.connect() as connection:
        try:
            connection.execute(text(statement), {"value": SECRET})
        except Exception:
            logging.getLogger("test").exception("failed")
            raise
    assert SECRET not in caplog.text
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_copy_counts_the_values_that_were_given(library: Database) -> None:
    """Without those that the layer adds."""
    with pytest.raises(ValueError, match="2 values for 3 columns"), library.connect() as connection:
        BOOKS.copy(connection, ("isbn", "title", "copies"), [("1", "T")])


class Dated(CatalogueResource):
    __tablename__ = "dated"

    day: Mapped[date] = mapped_column(default=func.current_date())


class DatedRepository(BulkWriter[Dated]):
    model = Dated


def test_copy_refuses_a_default_that_is_sql(catalogue: Database) -> None:
    """It would be NULL. `insert_many` leaves it to PostgreSQL."""
    with pytest.raises(ValueError, match="day"), catalogue.connect() as connection:
        DatedRepository().copy(connection, (), [()])
