"""Rules 7 and 8: read-only units, isolation and timeouts; and what a lost connection is told as."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import DBAPIError
from uuid_utils.compat import uuid7

from app.db import Database, EngineOptions, Timeouts, UnitOfWorkError, UnitRolledBack
from app.db.errors import (
    ConnectionLost,
    Contention,
    DatabaseUnreachable,
    LockTimeout,
    OutcomeUnknown,
    PoolExhausted,
    ReadOnlyViolation,
    StatementCancelled,
    StatementTimeout,
)
from app.models import Customer
from app.repositories import CustomerRepository
from tests.server import copy_template, drop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

    from app.db.testing import RoundTrips

CUSTOMERS = Customer.__table__
ISOLATION = select(func.current_setting("transaction_isolation"))
TIMEOUT = select(func.current_setting("statement_timeout"))
READ_ONLY = select(func.current_setting("transaction_read_only"))
ONE = select(CUSTOMERS.c.id).where(CUSTOMERS.c.reference == "A")
PID = select(func.pg_backend_pid())


def setting(connection: Connection, name: str) -> Any:
    return connection.execute(select(func.current_setting(name))).scalar_one()


def test_a_read_only_unit_takes_one_round_trip(database: Database, round_trips: RoundTrips) -> None:
    """Its limits ride along with the statement, and there is nothing to commit."""
    with database.connect(read_only=True) as connection:
        connection.execute(ONE).all()
    (only,) = round_trips.take()
    assert only.startswith("SET TRANSACTION READ ONLY; SET LOCAL statement_timeout")
    assert "BEGIN" not in only


def test_a_unit_without_statements_sends_nothing(
    database: Database, round_trips: RoundTrips
) -> None:
    """Neither BEGIN nor COMMIT is worth a message by itself."""
    with database.connect(), database.session():
        pass
    assert round_trips.take() == []


@pytest.mark.parametrize("isolation", [None, "REPEATABLE READ"])
def test_postgresql_refuses_writes_in_a_read_only_unit(database: Database, isolation: Any) -> None:
    """Not the program's care but the database keeps them out."""
    with pytest.raises(ReadOnlyViolation):
        with database.connect(read_only=True, isolation=isolation) as connection:
            connection.execute(update(CUSTOMERS).values(name="x"))


def test_read_only_leaks_to_nobody(database_url: str) -> None:
    """The next unit on the same connection writes and has its own limits."""
    database = Database(database_url, options=EngineOptions(pool_size=1))
    with database.connect(read_only=True, timeout=1) as connection:
        pid = connection.execute(PID).scalar()
    with database.connect() as connection:
        assert connection.execute(PID).scalar() == pid
        assert connection.execute(READ_ONLY).scalar() == "off"
        assert connection.execute(TIMEOUT).scalar() == "15s"
    with database._engines.primary.engine.connect() as connection:
        assert connection.execute(TIMEOUT).scalar() == "0"
    database.dispose()


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
@pytest.mark.parametrize("read_only", [False, True])
def test_a_unit_has_the_isolation_it_asked_for(
    database: Database, level: Any, read_only: bool
) -> None:
    """And the connection goes back without it."""
    with database.connect(isolation=level, read_only=read_only) as connection:
        assert connection.execute(ISOLATION).scalar() == level.lower()
    with database.connect() as connection:
        assert connection.execute(ISOLATION).scalar() == "read committed"


def test_a_repeatable_read_sees_one_snapshot(
    database: Database, sql: Callable[..., Any], new_customer: Callable[..., Customer]
) -> None:
    """Several read-only statements with an isolation are one transaction."""
    new_customer("A")
    names = select(CUSTOMERS.c.name)
    with database.connect(read_only=True, isolation="REPEATABLE READ") as connection:
        before = connection.execute(names).scalar()
        sql("UPDATE customers SET name = 'Bea'")
        assert connection.execute(names).scalar() == before


def test_every_unit_has_all_its_limits(database_url: str) -> None:
    """Statement, lock and idle timeouts are set in each transaction, and only there."""
    database = Database(database_url, timeouts=Timeouts(statement=7, lock=2, idle=9))
    with database.connect() as connection:
        assert setting(connection, "statement_timeout") == "7s"
        assert setting(connection, "lock_timeout") == "2s"
        assert setting(connection, "idle_in_transaction_session_timeout") == "9s"
    database.dispose()


@pytest.mark.parametrize("read_only", [False, True])
def test_of_nested_timeouts_the_smaller_wins(database: Database, read_only: bool) -> None:
    """The inner block can shorten it, for itself alone, and never lengthen it."""
    with database.connect(timeout=5, read_only=read_only) as connection:
        assert connection.execute(TIMEOUT).scalar() == "5s"
        with database.connect(timeout=2, read_only=True):
            assert connection.execute(TIMEOUT).scalar() == "2s"
        assert connection.execute(TIMEOUT).scalar() == "5s"
        with database.connect(timeout=60, read_only=True):
            assert connection.execute(TIMEOUT).scalar() == "5s"


def test_a_timeout_inside_a_savepoint_ends_with_it(database: Database) -> None:
    """Rolling back to the savepoint leaves the outer timeout in force."""
    with database.connect(timeout=5) as connection:
        with pytest.raises(StatementTimeout), database.savepoint(), database.connect(timeout=0.05):
            connection.execute(select(func.pg_sleep(2)))
        assert connection.execute(TIMEOUT).scalar() == "5s"


def test_a_statement_that_takes_too_long_is_stopped(database: Database) -> None:
    """The database stops it: no thread waits for ever."""
    with pytest.raises(StatementTimeout), database.connect(read_only=True, timeout=0.05) as c:
        c.execute(select(func.pg_sleep(5)))


def test_a_statement_that_somebody_cancels_is_no_timeout(
    database: Database, sql: Callable[..., Any]
) -> None:
    """Whoever reads the log must not look for a slow statement."""
    waiting = "SELECT state FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
    errors: list[BaseException] = []

    def sleep(connection: Connection, pid: int) -> None:
        pids.append(pid)
        connection.execute(select(func.pg_sleep(600)))

    def work() -> None:
        try:
            with database.connect(timeout=600) as connection:
                sleep(connection, connection.execute(PID).scalar_one())
        except StatementCancelled as error:
            errors.append(error)

    pids: list[int] = []
    thread = threading.Thread(target=work)
    thread.start()
    while not pids or not sql(waiting, pids[0]):
        threading.Event().wait(0.01)
    sql("SELECT pg_cancel_backend(%s)", pids[0])
    thread.join()
    assert len(errors) == 1


def test_a_copy_whose_input_fails_is_no_timeout(database: Database) -> None:
    """psycopg2 can't send this text: it is no UTF-8."""

    class Surrogates:
        error = None

        def read(self, _: int) -> str:
            return "\ud800"

    statement = text("COPY customers (reference) FROM STDIN").execution_options(
        copy_from=Surrogates()
    )
    with pytest.raises(DBAPIError, match=r"\.read\(\)"), database.connect() as connection:
        connection.execute(statement)


def test_waiting_for_a_lock_ends(
    database_url: str, database: Database, new_customer: Callable[..., Customer]
) -> None:
    """A row that another unit holds is not waited for longer than the lock timeout."""
    new_customer("A")
    hasty = Database(database_url, timeouts=Timeouts(lock=0.05))
    with database.connect() as holder:
        holder.execute(update(CUSTOMERS).values(name="x"))
        with pytest.raises(LockTimeout), hasty.connect() as connection:
            connection.execute(update(CUSTOMERS).values(name="y"))
    hasty.dispose()


def test_a_unit_that_idles_too_long_loses_its_connection(
    database_url: str, sql: Callable[..., Any]
) -> None:
    """It can't hold its locks for ever; the next unit gets a fresh connection."""
    database = Database(
        database_url, timeouts=Timeouts(idle=0.1), options=EngineOptions(pool_size=1)
    )
    with pytest.raises(ConnectionLost), database.connect() as connection:
        pid = connection.execute(PID).scalar()
        while sql("SELECT 1 FROM pg_stat_activity WHERE pid = %s", pid):
            threading.Event().wait(0.01)
        connection.execute(select(1))
    with database.connect() as connection:
        assert connection.execute(select(1)).scalar() == 1
    database.dispose()


def test_a_connection_lost_before_commit_is_told_as_lost(
    database: Database, sql: Callable[..., Any]
) -> None:
    """Nothing was done, so the caller may try again."""
    with pytest.raises(ConnectionLost), database.connect() as connection:
        pid = connection.execute(PID).scalar()
        sql("SELECT pg_terminate_backend(%s)", pid)
        connection.execute(select(1))


def test_a_connection_lost_during_commit_has_an_unknown_outcome(
    database: Database, sql: Callable[..., Any]
) -> None:
    """Whether COMMIT arrived, nobody knows: that is never told as a plain loss."""
    with pytest.raises(OutcomeUnknown), database.connect() as connection:
        connection.execute(update(CUSTOMERS).values(name="x"))
        pid = connection.execute(PID).scalar()
        sql("SELECT pg_terminate_backend(%s)", pid)


def test_the_first_cause_survives_a_rollback_on_a_lost_connection(
    database: Database, sql: Callable[..., Any]
) -> None:
    """That the ROLLBACK fails too is no news; the error of the block is."""
    with pytest.raises(LookupError), database.connect() as connection:
        sql("SELECT pg_terminate_backend(%s)", connection.execute(PID).scalar())
        raise LookupError


def test_a_full_pool_is_told_quickly(database_url: str) -> None:
    """With all connections in use a unit fails after the pool's timeout."""
    database = Database(database_url, options=EngineOptions(pool_size=1, pool_timeout=0.05))
    failures: list[BaseException] = []

    def enter() -> None:
        try:
            with database.connect():
                pass
        except PoolExhausted as error:
            failures.append(error)

    with database.connect():
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
    database.dispose()
    assert len(failures) == 1


def test_an_unreachable_database_is_told_as_such() -> None:
    """No driver's error leaves the engine room."""
    database = Database("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(DatabaseUnreachable), database.connect():
        pass


def test_a_deadlock_is_told_as_contention(
    database: Database, new_customer: Callable[..., Customer]
) -> None:
    """One of two units that wait for each other wins, the other one is told so."""
    new_customer("A")
    new_customer("B")
    both = threading.Barrier(2)
    failures: list[BaseException] = []

    def lock(first: str, second: str) -> None:
        try:
            with database.connect() as connection:
                for reference in (first, second):
                    connection.execute(
                        update(CUSTOMERS).where(CUSTOMERS.c.reference == reference).values(name="x")
                    )
                    if reference == first:
                        both.wait()
        except Contention as error:
            failures.append(error)

    threads = [threading.Thread(target=lock, args=pair) for pair in (("A", "B"), ("B", "A"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failures) == 1


@pytest.fixture
def replica_url(template_url: str, worker_id: str) -> Iterator[str]:
    """Another database in the replica's place: what is read there can't be the primary's."""
    url = copy_template(template_url, f"replica_{worker_id}")
    yield url
    drop(url)


def test_only_stale_ok_reads_go_to_the_replica(database_url: str, replica_url: str) -> None:
    """A unit that writes, or that does not say that stale rows will do, reads the primary."""
    database = Database(database_url, replica_url=replica_url)
    name = select(func.current_database())
    replica = re.sub(r".*/([^?]*).*", r"\1", replica_url)
    with database.connect(read_only=True, stale_ok=True) as connection:
        assert connection.execute(name).scalar() == replica
    with database.session(read_only=True, stale_ok=True) as session:
        assert session.scalar(name) == replica
    for read_only, stale_ok in ((True, False), (False, True), (False, False)):
        with database.connect(read_only=read_only, stale_ok=stale_ok) as connection:
            assert connection.execute(name).scalar() != replica
    database.dispose()


def test_without_a_replica_stale_ok_reads_the_primary(
    database: Database, new_customer: Callable[..., Customer]
) -> None:
    """Nothing has to be configured for the code to say what it can bear."""
    new_customer("A")
    with database.connect(read_only=True, stale_ok=True) as connection:
        assert connection.execute(ONE).one()


def test_many_rows_go_out_behind_one_begin(database: Database, round_trips: RoundTrips) -> None:
    """An executemany sends its BEGIN once, by itself."""
    values = [{"id": uuid7(), "reference": str(i), "name": "x"} for i in range(3)]
    with database.connect() as connection:
        connection.execute(insert(CUSTOMERS), values)
        connection.execute(
            text("UPDATE customers SET name = :name WHERE reference = :reference"), values
        )
    assert sum("BEGIN" in message for message in round_trips.take()) == 1


def test_swallowing_a_statements_failure_is_told_at_the_end(database: Database) -> None:
    """A unit whose transaction PostgreSQL has given up can't end as if it were done."""
    with pytest.raises(UnitRolledBack), database.connect() as connection:
        with pytest.raises(DBAPIError):
            connection.execute(text("SELECT no_such_column"))


def test_a_read_only_unit_takes_no_executemany(
    database: Database, sql: Callable[..., Any], new_customer: Callable[..., Customer]
) -> None:
    """Its statements would run outside of what makes the unit read-only."""
    new_customer("A")
    statement = text("UPDATE customers SET name = :name")
    with pytest.raises(UnitOfWorkError), database.connect(read_only=True) as connection:
        connection.execute(statement, [{"name": "x"}, {"name": "y"}])
    with pytest.raises(UnitOfWorkError), database.connect(read_only=True) as connection:
        CustomerRepository().copy(connection, ("reference", "name"), [("B", "x")])
    assert sql("SELECT reference, name FROM customers") == [("A", "Ann")]


def test_a_read_only_unit_without_a_transaction_has_no_savepoint(database: Database) -> None:
    """Nor can a block that needs one join it."""
    with database.connect(read_only=True):
        with pytest.raises(UnitOfWorkError), database.savepoint():
            pytest.fail("the block was entered")
        with pytest.raises(UnitOfWorkError):
            with database.connect(read_only=True, isolation="READ COMMITTED"):
                pytest.fail("the block was entered")
