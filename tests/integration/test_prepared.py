"""Prepared statements do what `connection.execute` does, in their unit of work, at less cost."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import (
    ARRAY,
    Boolean,
    Date,
    Enum,
    Float,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    Text,
    bindparam,
    func,
    insert,
    literal_column,
    select,
    text,
    type_coerce,
    update,
)
from sqlalchemy.exc import DBAPIError, ResourceClosedError, StatementError
from uuid_utils.compat import uuid7

from app.db import JSONObject, Prepared, UnitOfWorkError, UnitRolledBack
from app.db.errors import ConnectionLost, Invalid, NotUnique, ReadOnlyViolation, StatementTimeout
from app.db.testing import RoundTrips
from tests.library import BOOKS, Book

if TYPE_CHECKING:
    from app.db import Database

TABLE = Book.__table__
BY_TITLE = Prepared(select(TABLE.c.id, TABLE.c.title).where(TABLE.c.title == bindparam("title")))
RENAME = Prepared(
    update(TABLE).where(TABLE.c.title == bindparam("old")).values(title=bindparam("new"))
)
ADD = Prepared(
    insert(TABLE)
    .values({TABLE.c[n]: bindparam(n) for n in ("id", "title", "isbn")} | {TABLE.c.copies: 1})
    .returning(TABLE.c.title)
)
COUNT = Prepared(select(func.count()).select_from(TABLE))
KILL = Prepared(select(func.pg_terminate_backend(func.pg_backend_pid())))


def add(connection: Any, title: str, isbn: str = "") -> str:
    added: str = ADD.scalar(connection, {"id": uuid7(), "title": title, "isbn": isbn or title})
    return added


def test_rows_records_values_and_counts(library: Database) -> None:
    with library.connect() as connection:
        assert add(connection, "A") == "A"
        [(key, title)] = BY_TITLE.rows(connection, {"title": "A"})
        assert BY_TITLE.records(connection, {"title": "A"}) == [{"id": key, "title": title}]
        assert BY_TITLE.record(connection, {"title": "A"}) == {"id": key, "title": "A"}
        assert BY_TITLE.record(connection, {"title": "B"}) is None
        assert BY_TITLE.scalar(connection, {"title": "B"}) is None
        assert RENAME.execute(connection, {"old": "A", "new": "B"}) == 1
        assert COUNT.scalar(connection) == 1


VALUES: list[tuple[str, Any]] = [
    ("1.50", Numeric(10, 2)),
    ("1.50", Numeric(10, 2, asdecimal=False)),
    ("1.5::float", Float()),
    ("1.5::float", Float(asdecimal=True)),
    ("true", Boolean()),
    ("DATE '2026-11-27'", Date()),
    ("INTERVAL '1 day 2 seconds'", Interval()),
    ("'\\x00ff'::bytea", LargeBinary()),
    ("""'{"a": [1, null, "x"]}'::jsonb""", JSONObject()),
    ("ARRAY['a', NULL]", ARRAY(Text)),
    ("ARRAY[1.5, 2]", ARRAY(Numeric)),
    ("'red'", Enum("red", "green", native_enum=False)),
    ("NULL", Integer()),
    ("now()", TABLE.c.created_at.type),
    ("gen_random_uuid()", TABLE.c.id.type),
]


@pytest.mark.parametrize(("sql", "type_"), VALUES, ids=repr)
def test_values_are_those_that_sqlalchemy_returns(library: Database, sql: str, type_: Any) -> None:
    """The same value of the same type, for every kind of column."""
    statement = select(type_coerce(literal_column(sql), type_).label("value"))
    with library.connect(read_only=True, isolation="REPEATABLE READ") as connection:
        (wanted,) = connection.execute(statement).one()
        (found,) = Prepared(statement).rows(connection)[0]
    assert type(found) is type(wanted)
    assert found == wanted or "random" in sql


def test_parameters_are_encoded_by_their_types(library: Database) -> None:
    values: dict[Any, Any] = {
        Numeric(): Decimal("1.5"),
        JSONObject(): {"a": 1},
        ARRAY(Text): ["x", None],
        LargeBinary(): b"\x00\xff",
    }
    with library.connect() as connection:
        for type_, value in values.items():
            statement = Prepared(select(bindparam("given", type_=type_).label("given")))
            assert statement.scalar(connection, {"given": value}) == value
        null = Prepared(select(bindparam("given", None, JSONObject(), required=False)))
        assert null.scalar(connection) is None
        constant = Prepared(select(bindparam("given", value=3)))
        assert (constant.scalar(connection), constant.scalar(connection, {"given": 4})) == (3, 4)


def test_in_takes_any_number_of_values(library: Database) -> None:
    statement = Prepared(select(TABLE.c.title).where(TABLE.c.title.in_(bindparam("titles"))))
    with library.connect() as connection:
        for title in "ABC":
            add(connection, title)
        found = [statement.rows(connection, {"titles": list(titles)}) for titles in ("", "A", "AC")]
    assert found == [[], [("A",)], [("A",), ("C",)]]


def test_it_costs_one_message(library: Database) -> None:
    with RoundTrips(library) as trips, library.connect(read_only=True) as connection:
        COUNT.rows(connection)
    assert len(trips) == 1


# In a unit of work


def test_it_sees_what_the_session_has_not_flushed(library: Database) -> None:
    with library.session() as session:
        session.add(Book(title="A", isbn="1"))
        assert COUNT.scalar(session.connection()) == 1


def test_loaded_objects_see_what_it_changed(library: Database) -> None:
    with library.session() as session:
        book = BOOKS.add(session, Book(title="A", isbn="1"))
        RENAME.execute(session.connection(), {"old": "A", "new": "B"})
        assert book.title == "B"


def test_reads_expire_nothing(library: Database) -> None:
    with RoundTrips(library) as trips, library.session() as session:
        book = BOOKS.add(session, Book(title="A", isbn="1"))
        COUNT.scalar(session.connection())
        assert book.title == "A"
    assert len(trips) == 3  # with COMMIT


def test_it_is_undone_with_its_unit(library: Database) -> None:
    with pytest.raises(LookupError), library.connect() as connection:
        add(connection, "A")
        raise LookupError
    with library.connect(read_only=True) as connection:
        assert COUNT.scalar(connection) == 0


def test_it_is_undone_with_its_savepoint(library: Database) -> None:
    with library.connect() as connection:
        add(connection, "A")
        with pytest.raises(NotUnique), library.savepoint():
            add(connection, "B", "A")
        assert COUNT.scalar(connection) == 1


def test_an_error_fails_the_unit(library: Database) -> None:
    with pytest.raises(UnitRolledBack, match="NotUnique"), library.connect() as connection:
        add(connection, "A")
        with pytest.raises(NotUnique):
            add(connection, "B", "A")
        COUNT.scalar(connection)


def test_nothing_is_executed_after_a_flush_that_failed(library: Database) -> None:
    """It would be executed outside of the unit's transaction."""
    with pytest.raises(UnitRolledBack), library.session() as session:
        connection = session.connection()
        with pytest.raises(StatementError):
            session.add(Book(title="A", isbn="1", tags=object()))
            session.flush()
        add(connection, "B")
    with library.connect(read_only=True) as connection:
        assert COUNT.scalar(connection) == 0


# Errors


def test_a_read_only_unit_refuses_to_write(library: Database) -> None:
    with pytest.raises(ReadOnlyViolation), library.connect(read_only=True) as connection:
        add(connection, "A")


def test_the_timeout_of_the_unit_holds(library: Database) -> None:
    sleep = Prepared(select(func.pg_sleep(60)))
    with pytest.raises(StatementTimeout), library.connect(timeout=0.05) as connection:
        sleep.rows(connection)


def test_a_lost_connection_is_replaced(library: Database) -> None:
    with pytest.raises(ConnectionLost), library.connect() as connection:
        KILL.rows(connection)
    with library.connect(read_only=True) as connection:
        assert COUNT.scalar(connection) == 0


@pytest.mark.parametrize("title", ["a\0b", "\ud800"])
def test_a_value_that_is_no_text_is_named(library: Database, title: str) -> None:
    with pytest.raises(Invalid) as caught, library.connect() as connection:
        add(connection, title)
    assert [mistake.path for mistake in caught.value.mistakes] == [("title",)]


def test_values_are_not_in_the_text_of_an_error(library: Database) -> None:
    divide = Prepared(select(literal_column("1 / 0").label("x"), bindparam("secret", "s3cret")))
    with pytest.raises(DBAPIError) as caught, library.connect(read_only=True) as connection:
        divide.rows(connection)
    assert "s3cret" not in str(caught.value)


def test_an_ended_unit_executes_nothing(library: Database) -> None:
    with library.connect() as connection:
        pass
    with pytest.raises(ResourceClosedError):
        COUNT.rows(connection)


def test_only_the_database_ends_a_transaction(library: Database) -> None:
    for sql in ("COMMIT", "SELECT 1; ROLLBACK"):
        with pytest.raises(UnitOfWorkError), library.connect() as connection:
            Prepared(text(sql)).execute(connection)


def test_a_default_of_python_has_to_be_given(library: Database) -> None:
    """It would be left out silently."""
    statement = Prepared(insert(TABLE).values(title=bindparam("t"), isbn=bindparam("t")))
    with pytest.raises(TypeError, match=r"name id"), library.connect() as connection:
        statement.execute(connection, {"t": "A"})
