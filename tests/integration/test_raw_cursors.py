"""Nothing that is reachable from a handle is outside the unit of work."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from psycopg2.extras import DictCursor, execute_batch, execute_values
from sqlalchemy import MetaData, func, insert, select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from app.db import UnitOfWorkError, UnitRolledBack
from app.db.errors import ReadOnlyViolation
from tests.library import BOOKS, Book
from tests.owners import in_a_child, in_a_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

    from app.db import Database

    Use = Callable[[Any], object]

TABLE = Book.__table__
TITLES = select(TABLE.c.title).order_by(TABLE.c.title)
INSERT = "INSERT INTO library_books (id, title, isbn) VALUES (gen_random_uuid(), 'raw', 'raw')"
VALUES = "INSERT INTO library_books (id, title, isbn) VALUES %s"
COPY = "COPY library_books (id, title, isbn) FROM STDIN"


def add(connection: Connection, title: str = "a") -> None:
    connection.execute(insert(TABLE), {"id": uuid7(), "title": title, "isbn": title})


def titles(library: Database) -> list[str]:
    with library.connect(read_only=True) as connection:
        return list(connection.scalars(TITLES))


def cursor_of(connection: Connection) -> Any:
    return connection.connection.cursor()


def lines() -> io.StringIO:
    return io.StringIO(f"{uuid7()}\traw\traw\n")


USES: dict[str, Use] = {
    "execute": lambda connection: cursor_of(connection).execute(INSERT),
    "driver": lambda connection: connection.connection.driver_connection.cursor().execute(INSERT),
    "executemany": lambda connection: cursor_of(connection).executemany(INSERT, [()]),
    "execute_values": lambda connection: execute_values(
        cursor_of(connection), VALUES, [(str(uuid7()), "raw", "raw")]
    ),
    "execute_batch": lambda connection: execute_batch(cursor_of(connection), INSERT, [()]),
    "copy_expert": lambda connection: cursor_of(connection).copy_expert(COPY, lines()),
    "copy_from": lambda connection: cursor_of(connection).copy_from(
        lines(), "library_books", columns=("id", "title", "isbn")
    ),
    "other class": lambda connection: connection.connection.cursor(
        cursor_factory=DictCursor
    ).execute(INSERT),
}


@pytest.fixture(params=USES)
def use(request: pytest.FixtureRequest) -> Use:
    return USES[request.param]


def test_a_raw_cursor_works_inside_the_unit(library: Database, use: Use) -> None:
    """Also where it sends the unit's first statement: what fails later undoes it."""
    with pytest.raises(LookupError), library.connect() as connection:
        use(connection)
        raise LookupError
    assert titles(library) == []
    with library.connect() as connection:
        use(connection)
    assert titles(library) == ["raw"]


@pytest.mark.parametrize("isolation", [None, "REPEATABLE READ"])
def test_a_raw_cursor_cannot_write_in_a_read_only_unit(
    library: Database, use: Use, isolation: Any
) -> None:
    """PostgreSQL refuses it, and so the unit can't end as if nothing had happened."""
    with pytest.raises(UnitRolledBack):
        with library.connect(read_only=True, isolation=isolation) as connection:
            with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
                use(connection)
    assert titles(library) == []


def test_a_raw_cursor_reads_in_a_read_only_unit(library: Database) -> None:
    """And the unit goes on afterwards, read-only as before."""
    with library.connect() as connection:
        add(connection)
    with pytest.raises(ReadOnlyViolation), library.connect(read_only=True) as connection:
        cursor = cursor_of(connection)
        cursor.execute("SELECT title FROM library_books")
        assert cursor.fetchall() == [("a",)]
        assert connection.execute(TITLES).scalar() == "a"
        add(connection, "b")
    assert titles(library) == ["a"]


def test_a_raw_cursor_has_the_limits_of_the_unit(library: Database) -> None:
    """Also where it sends the first statement."""
    with library.connect(timeout=7, isolation="SERIALIZABLE") as connection:
        cursor = cursor_of(connection)
        names = ("statement_timeout", "transaction_isolation")
        cursor.execute("SELECT current_setting(%s), current_setting(%s)", names)
        assert cursor.fetchone() == ("7s", "serializable")


def test_a_raw_cursor_sees_what_the_orm_has_pending_and_expires_what_it_has_loaded(
    library: Database,
) -> None:
    """It is as coherent as any other statement."""
    with library.session() as session:
        book = BOOKS.add(session, Book(title="a", isbn="a"))
        session.flush()
        book.title = "pending"
        cursor = cursor_of(session.connection())
        cursor.execute("UPDATE library_books SET title = title || ' and raw'")
        assert book.title == "pending and raw"


def test_an_error_of_a_raw_cursor_fails_the_unit(library: Database) -> None:
    """Its caller may catch it; the unit can't commit what came before."""
    with pytest.raises(UnitRolledBack) as caught, library.connect() as connection:
        add(connection)
        with pytest.raises(psycopg2.errors.DivisionByZero):
            cursor_of(connection).execute("SELECT 1 / 0")
    assert isinstance(caught.value.__cause__, psycopg2.errors.DivisionByZero)
    assert titles(library) == []


def test_a_savepoint_undoes_an_error_of_a_raw_cursor(library: Database) -> None:
    """As it undoes any other."""
    with library.connect() as connection:
        add(connection)
        with pytest.raises(psycopg2.errors.DivisionByZero), library.savepoint():
            cursor_of(connection).execute(INSERT)
            cursor_of(connection).execute("SELECT 1 / 0")
    assert titles(library) == ["a"]


def test_a_raw_cursor_does_not_end_the_unit(library: Database) -> None:
    """By SQL, or by the driver's connection."""
    with pytest.raises(UnitOfWorkError), library.connect() as connection:
        cursor_of(connection).execute("SELECT 1; ROLLBACK")
    for name in ("commit", "rollback", "reset"):
        with pytest.raises(UnitOfWorkError, match="Only Database"):
            with library.connect() as connection:
                add(connection)
                getattr(connection.connection.driver_connection, name)()
        assert titles(library) == []


def test_a_raw_cursor_does_not_outlive_its_unit(library: Database) -> None:
    """The connection belongs to another unit by then, or to none."""
    with library.connect() as connection:
        cursor = cursor_of(connection)
    with pytest.raises(UnitOfWorkError):
        cursor.execute(INSERT)
    assert titles(library) == []


def test_a_raw_cursor_has_the_owner_of_its_unit(library: Database) -> None:
    """Neither a thread nor a forked child gets anywhere with it."""
    with pytest.raises(UnitRolledBack), library.connect() as connection:
        add(connection)
        assert in_a_child(lambda: cursor_of(connection).execute(INSERT)) == "UnitOfWorkError"
        (error,) = in_a_thread(lambda: cursor_of(connection).execute(INSERT))
        assert isinstance(error, UnitOfWorkError)
    assert titles(library) == []


def engine_of(library: Database) -> Iterator[Any]:
    with library.session() as session:
        yield session.connection().engine
        yield session.get_bind().engine


def test_the_engine_of_a_handle_opens_no_connection(library: Database) -> None:
    """It would be outside the unit."""
    uses: list[Use] = [
        lambda engine: engine.connect(),
        lambda engine: engine.begin().__enter__(),
        lambda engine: engine.raw_connection(),
        lambda engine: Session(engine).execute(TITLES),
        lambda engine: MetaData().create_all(engine),
    ]
    for engine in engine_of(library):
        for use in uses:
            with pytest.raises(UnitOfWorkError, match="Only Database opens"):
                use(engine)


def test_the_connection_of_a_handle_serves_as_one_elsewhere(library: Database) -> None:
    """A library that takes a connection works in the unit: here a session of its own."""
    with pytest.raises(LookupError), library.connect() as connection:
        with Session(connection, join_transaction_mode="rollback_only") as session:
            session.add(Book(title="a", isbn="a"))
            session.flush()
        assert connection.scalar(select(func.count()).select_from(TABLE)) == 1
        raise LookupError
    assert titles(library) == []
