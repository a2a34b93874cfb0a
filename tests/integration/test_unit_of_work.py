"""Rules 1 to 3: who ends a unit, and how blocks inside one join it."""

from __future__ import annotations

import ast
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from app.db import Database, EngineOptions, UnitOfWorkError, UnitRolledBack
from app.db.errors import NotUnique
from app.models import Customer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

    from app.db.testing import RoundTrips

    Sql = Callable[..., list[tuple[Any, ...]]]

CUSTOMERS = Customer.__table__


def add(connection: Connection, reference: str) -> None:
    values = {"id": uuid7(), "reference": reference, "name": "Ann"}
    connection.execute(insert(CUSTOMERS), values)


def references(sql: Sql) -> list[str]:
    return [reference for (reference,) in sql("SELECT reference FROM customers ORDER BY 1")]


def test_a_block_that_ends_well_commits(database: Database, sql: Sql) -> None:
    """What a block did is there for others, once it is left and not before."""
    with database.connect() as connection:
        add(connection, "A")
        assert references(sql) == []
    assert references(sql) == ["A"]


def test_a_block_that_fails_rolls_back(database: Database, sql: Sql) -> None:
    """An error that leaves the block takes all of its work with it."""
    with pytest.raises(LookupError), database.connect() as connection:
        add(connection, "A")
        raise LookupError
    assert references(sql) == []


def test_core_and_orm_blocks_share_one_transaction(database: Database, sql: Sql) -> None:
    """A session opened inside a connection's block works on that very connection."""
    with pytest.raises(LookupError), database.connect() as connection:
        add(connection, "A")
        with database.session() as session:
            session.add(Customer(reference="B", name="Ben"))
            assert session.connection() is connection
        assert connection.execute(select(func.count()).select_from(CUSTOMERS)).scalar() == 2
        raise LookupError
    assert references(sql) == []


def test_the_same_session_is_handed_out_again(database: Database) -> None:
    """Inner session blocks get the session of the unit, so its objects are the same."""
    with database.session() as outer, database.session() as inner:
        assert inner is outer


def test_leaving_a_joined_block_flushes_its_session(
    database: Database, round_trips: RoundTrips
) -> None:
    """What an inner service left pending is in the database when the outer one goes on."""
    with database.connect():
        with database.session() as session:
            session.add(Customer(reference="A", name="Ann"))
        assert "INSERT INTO customers" in round_trips.take()[-1]


def test_a_swallowed_failure_of_a_joined_block_undoes_the_unit(
    database: Database, sql: Sql
) -> None:
    """Nothing of the unit is done, and the caller is told so, with the first cause."""
    with pytest.raises(UnitRolledBack) as caught, database.connect() as connection:
        add(connection, "A")
        try:
            with database.connect():
                raise LookupError("inner")
        except LookupError:
            pass
    assert isinstance(caught.value.__cause__, LookupError)
    assert references(sql) == []


def test_a_failed_unit_refuses_further_statements(database: Database) -> None:
    """The refusal names the first cause, not "current transaction is aborted"."""
    with pytest.raises(UnitRolledBack) as caught, database.connect() as connection:
        add(connection, "A")
        with pytest.raises(NotUnique):
            add(connection, "A")
        connection.execute(select(1))
    assert isinstance(caught.value.__cause__, NotUnique)


def test_a_failure_inside_a_savepoint_is_undone_alone(database: Database, sql: Sql) -> None:
    """Skipping one of several: the rest of the unit goes on and commits."""
    with database.connect() as connection:
        add(connection, "A")
        with pytest.raises(NotUnique), database.savepoint():
            add(connection, "B")
            add(connection, "A")
        add(connection, "C")
    assert references(sql) == ["A", "C"]


def test_a_failing_joined_block_inside_a_savepoint_spares_the_unit(
    database: Database, sql: Sql
) -> None:
    """The savepoint takes the failure on itself."""
    with database.session() as session:
        session.add(Customer(reference="A", name="Ann"))
        with pytest.raises(LookupError), database.savepoint(), database.session() as inner:
            inner.add(Customer(reference="B", name="Ben"))
            inner.flush()
            raise LookupError
    assert references(sql) == ["A"]


def test_a_savepoint_needs_a_unit(database: Database) -> None:
    """Outside a unit there is nothing to go back to."""
    with pytest.raises(UnitOfWorkError), database.savepoint():
        pass


@pytest.mark.parametrize("end", ["commit", "rollback", "close"])
def test_nobody_else_ends_a_connections_transaction(database: Database, sql: Sql, end: str) -> None:
    """A repository that commits, rolls back or closes is stopped, and nothing is half done."""
    with pytest.raises(UnitOfWorkError, match="Only Database"), database.connect() as connection:
        add(connection, "A")
        getattr(connection, end)()
    assert references(sql) == []


@pytest.mark.parametrize("end", ["commit", "rollback", "close"])
def test_nobody_else_ends_a_sessions_transaction(database: Database, sql: Sql, end: str) -> None:
    """The session refuses as the connection does."""
    with pytest.raises(UnitOfWorkError, match="Only Database"), database.session() as session:
        session.add(Customer(reference="A", name="Ann"))
        session.flush()
        getattr(session, end)()
    assert references(sql) == []


def test_only_the_engine_room_mentions_ending_a_transaction() -> None:
    """No other layer's code so much as names commit, rollback, or makes an engine or session."""
    forbidden = {"commit", "rollback", "create_engine", "sessionmaker", "begin", "raw_connection"}
    root = Path(__file__).parents[2] / "app"
    found = [
        f"{path.relative_to(root)}:{node.lineno}"
        for layer in ("services", "repositories", "api", "cli", "models", "domain")
        for path in sorted((root / layer).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Attribute) and node.attr in forbidden)
        or (isinstance(node, ast.Name) and node.id in forbidden)
    ]
    assert found == []


def test_a_writing_block_cannot_join_a_read_only_unit(database: Database) -> None:
    """The error comes at once, not when the first statement is sent."""
    with database.connect(read_only=True), pytest.raises(UnitOfWorkError, match="read-only"):
        with database.connect():
            pytest.fail("the block was entered")


def test_a_read_only_block_joins_a_writing_unit(database: Database) -> None:
    """It gets the same connection and so reads what the unit has written."""
    with database.connect() as connection:
        add(connection, "A")
        with database.connect(read_only=True, stale_ok=True) as inner:
            assert inner is connection
            assert inner.execute(select(CUSTOMERS.c.reference)).scalar() == "A"


def test_another_isolation_cannot_be_joined(database: Database) -> None:
    """An open transaction can't change its isolation; the default is READ COMMITTED."""
    with database.connect(), pytest.raises(UnitOfWorkError, match="SERIALIZABLE"):
        with database.connect(isolation="SERIALIZABLE"):
            pytest.fail("the block was entered")
    with database.connect(isolation="REPEATABLE READ"):
        with database.connect(isolation="REPEATABLE READ"), database.connect():
            pass
    with database.connect(), database.connect(isolation="READ COMMITTED"):
        pass


def test_another_database_has_a_unit_of_its_own(
    database: Database, database_url: str, sql: Sql
) -> None:
    """Blocks join within one Database only."""
    other = Database(database_url)
    with pytest.raises(LookupError), database.connect() as connection:
        with other.connect() as another:
            assert another is not connection
            add(another, "other")
        add(connection, "own")
        raise LookupError
    other.dispose()
    assert references(sql) == ["other"]


def test_threads_do_not_share_a_unit(database: Database) -> None:
    """A block on another thread opens a unit of its own."""
    seen = []

    def enter() -> None:
        with database.connect() as connection:
            seen.append(connection)

    with database.connect() as connection:
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
    assert seen
    assert seen[0] is not connection


def test_a_unit_left_open_is_rolled_back_and_logged(
    database: Database, sql: Sql, caplog: pytest.LogCaptureFixture
) -> None:
    """The end of a request or command abandons what was left open on its thread."""
    block = database.connect()
    add(block.__enter__(), "A")
    database.abandon()
    assert "left open" in caplog.text
    assert references(sql) == []
    with database.connect() as connection:
        block.__exit__(LookupError, LookupError(), None)
        add(connection, "B")
    assert references(sql) == ["B"]


def test_a_statement_after_the_connection_went_back_starts_clean(database: Database) -> None:
    """Every connection comes back to the pool idle, whatever happened in its unit."""
    with pytest.raises(DBAPIError), database.connect() as connection:
        connection.execute(text("SELECT no_such_column"))
    with database.connect(read_only=True) as connection:
        driver = connection.connection.dbapi_connection
        assert driver is not None
        assert driver.get_transaction_status() == 0
        assert connection.execute(select(1)).scalar() == 1


def test_a_transaction_that_the_server_undid_is_not_reported_as_committed(
    database: Database,
) -> None:
    """PostgreSQL answers ROLLBACK to the COMMIT of a failed transaction, without an error."""
    with pytest.raises(DBAPIError), database.connect() as connection:
        driver: Any = connection.connection.dbapi_connection
        connection.execute(update(CUSTOMERS).values(name="x"))
        with driver.statement_cursor() as cursor, pytest.raises(Exception, match="division"):
            cursor.execute("SELECT 1/0")  # neither SQLAlchemy nor the unit sees it


def test_a_session_is_sqlalchemys_own(database: Database) -> None:
    """Nobody learns a wrapper."""
    with database.session() as session:
        assert isinstance(session, Session)


def left_open(database: Database) -> Iterator[None]:
    with database.connect() as connection:
        connection.execute(select(1))
        yield


def test_an_abandoned_block_that_ends_later_harms_nobody(database_url: str, sql: Sql) -> None:
    """Its connection works for another unit by then."""
    database = Database(database_url, options=EngineOptions(pool_size=1))
    block = left_open(database)
    next(block)
    database.abandon()
    with pytest.raises(LookupError), database.connect() as connection:
        block.close()  # type: ignore[attr-defined] # a generator
        add(connection, "A")
        raise LookupError
    database.dispose()
    assert references(sql) == []


def test_a_block_that_another_thread_ends_leaves_its_own_thread_usable(
    database: Database,
) -> None:
    """The unit is over, wherever it was ended."""
    block: Any = left_open(database)
    next(block)
    thread = threading.Thread(target=block.close)
    thread.start()
    thread.join()
    with database.connect() as connection:
        assert connection.execute(select(1)).scalar() == 1


def test_a_forked_child_cannot_end_its_parents_unit(database: Database, sql: Sql) -> None:
    """Unwinding through the parent's block, it sends nothing on the parent's connection."""
    parent = os.getpid()
    try:
        with database.connect() as connection:
            add(connection, "A")
            if os.fork() == 0:
                raise KeyboardInterrupt
            os.wait()
    finally:
        if os.getpid() != parent:
            os._exit(0)
    assert references(sql) == ["A"]


def test_sql_that_ends_the_transaction_is_an_error(database: Database) -> None:
    """Also where it is written as text."""
    with pytest.raises(UnitOfWorkError), database.connect() as connection:
        add(connection, "A")
        connection.execute(text("COMMIT"))


@pytest.mark.parametrize(
    "sql",
    [
        "COMMIT AND CHAIN",
        "rollback and chain",
        "/* why */ COMMIT",
        "SELECT 1; COMMIT; BEGIN",
        "COMMIT; SELECT 1",
    ],
)
@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("kind", ["text", "driver", "raw"])
def test_sql_that_ends_the_transaction_is_refused(
    database: Database, sql: str, read_only: bool, kind: str
) -> None:
    """Before it is sent, and also where another transaction follows at once."""
    with (
        pytest.raises(UnitOfWorkError, match="only Database may"),
        database.connect(read_only=read_only, isolation="REPEATABLE READ") as connection,
    ):
        if kind == "raw":
            connection.connection.cursor().execute(sql)
        elif kind == "driver":
            connection.exec_driver_sql(sql)
        else:
            connection.execute(text(sql))


def test_sql_that_only_speaks_of_an_end_runs(database: Database) -> None:
    """In quotes, in a block of PL/pgSQL, or as the end of a savepoint."""
    with database.connect() as connection:
        connection.execute(text("SELECT 'a; COMMIT'; SELECT 1"))
        connection.execute(text("DO $$BEGIN PERFORM 1; END$$"))
        connection.execute(text("SAVEPOINT a; ROLLBACK TO SAVEPOINT a"))
