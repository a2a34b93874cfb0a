"""Rules 6 and 9: running again, skipping, rolling back, and what happens after the commit."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from app.db import Database, Timeouts, UnitOfWorkError, UnitRolledBack
from app.db.errors import ConnectionLost, Contention, NotUnique, OutcomeUnknown
from app.db.testing import DROP, DROP_AFTER, Faults
from app.models import Customer
from app.repositories import CustomerRepository

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from app.services import CustomerService

    Sql = Callable[..., list[tuple[Any, ...]]]

CUSTOMERS = Customer.__table__


def add(connection: Connection, reference: str = "A") -> str:
    values = {"id": uuid7(), "reference": reference, "name": "Ann"}
    connection.execute(insert(CUSTOMERS), values)
    return reference


def references(sql: Sql) -> list[str]:
    return [reference for (reference,) in sql("SELECT reference FROM customers ORDER BY 1")]


@pytest.fixture(autouse=True)
def connected(database: Database) -> None:
    """By connections that no earlier test has closed: attempts are counted here."""
    database.dispose()


@pytest.mark.parametrize(
    ("at", "how"),
    [(1, "40001"), (1, "40P01"), (1, DROP), (2, "40001"), (2, DROP), ("COMMIT", "40001")],
)
def test_a_conflict_runs_the_whole_again(
    database: Database, sql: Sql, at: int | str, how: str
) -> None:
    """On a lost connection too, as long as COMMIT was not sent: one effect in the end."""
    calls = []

    def work(connection: Connection) -> str:
        calls.append(connection)
        connection.execute(select(1))
        return add(connection)

    with Faults(database, at, how) as faults:
        assert database.run(work) == "A"
    assert faults.struck == 1
    assert len(calls) == 2
    assert references(sql) == ["A"]


def test_an_idle_connection_that_died_costs_nobody_an_error(
    customers: CustomerService, sql: Sql
) -> None:
    """Not even where it was used a moment ago: a read or write on a dead connection runs again."""
    customers.create({"reference": "A", "name": "Ann"})
    kill = (
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    sql(kill)
    assert customers.find(reference="A") is not None
    sql(kill)
    customers.create({"reference": "B", "name": "Ben"})
    assert references(sql) == ["A", "B"]


def test_each_attempt_has_a_fresh_session_and_fresh_hooks(database: Database) -> None:
    """Nothing of a failed attempt is left in the next one."""
    sessions: list[Session] = []
    called = []

    def work(_: Connection) -> None:
        with database.session() as session:
            sessions.append(session)
            assert not session.identity_map.keys()
            session.add(Customer(reference="A", name="Ann"))
            database.after_commit(lambda: called.append(session))

    with Faults(database, "COMMIT", "40001"):
        database.run(work)
    assert len(sessions) == 2
    assert sessions[0] is not sessions[1]
    assert called == [sessions[1]]


def test_the_outermost_opener_retries(database: Database, customers: CustomerService) -> None:
    """A service called inside an open unit passes the conflict on: half a unit can't run again."""
    calls = []
    with Faults(database, 2, "40001"):

        def work(connection: Connection) -> None:
            calls.append(connection)
            customers.create({"reference": "A", "name": "Ann"})

        database.run(work)
    assert len(calls) == 2
    with Faults(database, 2, "40001") as faults, pytest.raises(Contention), database.connect():
        customers.create({"reference": "B", "name": "Ben"})
    assert faults.struck == 1


def test_attempts_end_at_the_deadline_and_all_causes_are_kept(database: Database) -> None:
    """The last error is raised, the earlier ones stand in it."""
    started = time.monotonic()
    with Faults(database, 1, "40001", always=True), pytest.raises(Contention) as caught:
        database.run(add, deadline=0.3)
    assert time.monotonic() - started < 2
    assert len(caught.value.causes) > 1
    assert all(isinstance(cause, Contention) for cause in caught.value.causes)


def test_a_database_may_have_a_deadline_of_its_own(database_url: str, database: Database) -> None:
    """`run` and `@retry` use it unless the call names another one."""
    hasty = Database(database_url, timeouts=Timeouts(retry=0))
    with Faults(hasty, 1, "40001", always=True) as faults, pytest.raises(Contention):
        hasty.run(add)
    assert faults.struck == 1
    with Faults(hasty, 1, "40001"):
        assert hasty.run(add, deadline=60) == "A"
    hasty.dispose()


@pytest.mark.parametrize(("how", "done"), [(DROP, []), (DROP_AFTER, ["A"])])
def test_a_connection_lost_during_commit_is_never_retried(
    database: Database, sql: Sql, how: str, done: list[str]
) -> None:
    """All may be done, or nothing: only the caller can find out."""
    calls = []

    def work(connection: Connection) -> None:
        calls.append(connection)
        add(connection)

    with Faults(database, "COMMIT", how), pytest.raises(OutcomeUnknown):
        database.run(work)
    assert len(calls) == 1
    assert references(sql) == done


@pytest.mark.parametrize("how", [DROP, DROP_AFTER])
def test_a_connection_lost_during_the_commit_of_reads_is_retried(
    database: Database, how: str
) -> None:
    """There was nothing to be done, so nothing is unknown of it."""
    calls = []

    def read() -> int:
        with database.connect(read_only=True, isolation="REPEATABLE READ") as connection:
            calls.append(connection)
            return int(connection.execute(select(1)).scalar_one())

    with Faults(database, "COMMIT", how) as faults:
        assert database.again(read) == 1
    assert faults.struck == 1
    assert len(calls) == 2


def test_a_refusal_is_not_retried(database: Database, sql: Sql) -> None:
    """What would fail again fails at once."""
    calls = []

    def work(connection: Connection) -> None:
        calls.append(connection)
        add(connection)
        add(connection)

    with pytest.raises(NotUnique):
        database.run(work)
    assert len(calls) == 1
    assert references(sql) == []


def test_run_has_the_isolation_and_timeout_it_asked_for(database: Database) -> None:
    """They are those of `connect`."""

    def work(connection: Connection) -> tuple[str, str]:
        names = ("transaction_isolation", "statement_timeout")
        first, second = (
            connection.execute(select(func.current_setting(name))).scalar_one() for name in names
        )
        return first, second

    assert database.run(work, isolation="SERIALIZABLE", timeout=2) == ("serializable", "2s")


def test_two_serializable_units_that_conflict_both_end_well(database: Database, sql: Sql) -> None:
    """A real write skew: PostgreSQL stops one of them, and it is run again."""
    attempts = []

    def work(connection: Connection) -> None:
        attempts.append(1)
        count = connection.execute(select(func.count()).select_from(CUSTOMERS)).scalar_one()
        if len(attempts) == 1:
            database_other(database, sql)
        add(connection, f"own {count}")

    def database_other(database: Database, sql: Sql) -> None:
        sql(
            "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM customers;"
            " INSERT INTO customers (id, reference, name)"
            " VALUES (gen_random_uuid(), 'other', 'x'); COMMIT"
        )

    database.run(work, isolation="SERIALIZABLE")
    assert len(attempts) == 2
    assert references(sql) == ["other", "own 1"]


def test_a_hook_runs_once_after_the_real_commit(database: Database, sql: Sql) -> None:
    """Others see the work when it runs, and it may open a unit of its own."""
    seen = []

    def hook() -> None:
        seen.append(references(sql))
        with database.connect() as connection:
            add(connection, "hook")

    with database.connect() as connection:
        with database.connect():
            database.after_commit(hook)
        add(connection)
        assert seen == []
    assert seen == [["A"]]
    assert references(sql) == ["A", "hook"]


def test_a_hook_of_a_rolled_back_savepoint_is_forgotten(database: Database) -> None:
    """Those registered before it and after it run, in their order."""
    called: list[str] = []
    with database.connect():
        database.after_commit(lambda: called.append("before"))
        with pytest.raises(LookupError), database.savepoint():
            database.after_commit(lambda: called.append("inside"))
            raise LookupError
        with database.savepoint():
            database.after_commit(lambda: called.append("kept"))
        database.after_commit(lambda: called.append("after"))
    assert called == ["before", "kept", "after"]


def test_a_hook_of_a_unit_that_rolled_back_never_runs(database: Database) -> None:
    """Neither after an error nor after a failed COMMIT."""
    called: list[int] = []
    with pytest.raises(LookupError), database.connect():
        database.after_commit(lambda: called.append(1))
        raise LookupError
    with Faults(database, "COMMIT", "23514"), pytest.raises(Exception, match="CheckViolation"):
        with database.connect() as connection:
            database.after_commit(lambda: called.append(2))
            add(connection)
    assert called == []


def test_a_failing_hook_is_logged_and_undoes_nothing(
    database: Database, sql: Sql, caplog: pytest.LogCaptureFixture
) -> None:
    """The unit is not run again, and the other hooks run."""
    called: list[int] = []

    def work(connection: Connection) -> None:
        add(connection)
        database.after_commit(lambda: called.remove(0))
        database.after_commit(lambda: called.append(1))

    database.run(work)
    assert "hook failed" in caplog.text
    assert called == [1]
    assert references(sql) == ["A"]


def test_a_hook_needs_a_unit(database: Database) -> None:
    """Outside of one there is no commit to wait for."""
    with pytest.raises(UnitOfWorkError):
        database.after_commit(lambda: None)


@pytest.mark.parametrize("opened", ["before", "inside", "after"])
def test_a_session_survives_a_rolled_back_savepoint(
    database: Database, sql: Sql, opened: str
) -> None:
    """Whenever it was first asked for, it works on, and shows what the database holds."""
    repository = CustomerRepository()
    with database.connect() as connection:
        if opened == "before":
            with database.session() as session:
                session.add(Customer(reference="A", name="Ann"))
        with pytest.raises(LookupError), database.savepoint():
            add(connection, "core")
            if opened != "after":
                with database.session() as session:
                    session.add(Customer(reference="orm", name="x"))
            raise LookupError
        with database.session() as session:
            assert repository.find(session, reference="orm") is None
            session.add(Customer(reference="B", name="Ben"))
    assert references(sql) == (["A", "B"] if opened == "before" else ["B"])


def test_savepoints_nest(database: Database, sql: Sql) -> None:
    """Undoing the inner one keeps the outer one's work; undoing the outer one takes both."""
    with database.connect() as connection:
        with database.savepoint():
            add(connection, "A")
            with pytest.raises(LookupError), database.savepoint():
                add(connection, "B")
                raise LookupError
        with pytest.raises(LookupError), database.savepoint():
            with database.savepoint():
                add(connection, "C")
            raise LookupError
    assert references(sql) == ["A"]


def test_skipping_bad_rows_keeps_the_good_ones(
    database: Database, customers: CustomerService, sql: Sql
) -> None:
    """Each in a savepoint of its own, all in one unit."""
    with database.connect():
        for reference in ("A", "B", "A", "C"):
            try:
                with database.savepoint():
                    customers.create({"reference": reference, "name": "Ann"})
            except NotUnique:
                continue
    assert references(sql) == ["A", "B", "C"]
    assert sql("SELECT count(*) FROM events") == [(3,)]


def test_an_aborted_transaction_never_hides_the_first_cause(database: Database) -> None:
    """Not "current transaction is aborted" (25P02) but what aborted it."""
    with pytest.raises(UnitRolledBack) as caught, database.connect() as connection:
        add(connection)
        with pytest.raises(NotUnique):
            add(connection)
        with pytest.raises(UnitRolledBack):
            connection.execute(text("SELECT 1"))
    assert isinstance(caught.value.__cause__, NotUnique)


def test_a_lost_connection_inside_a_savepoint_ends_the_unit(database: Database, sql: Sql) -> None:
    """There is nothing left to go back to, whatever the caller swallows."""
    with Faults(database, 3, DROP), pytest.raises((UnitRolledBack, ConnectionLost)):
        with database.connect() as connection:
            add(connection)
            try:
                with database.savepoint():
                    add(connection, "B")
            except ConnectionLost:
                pass
            add(connection, "C")
    assert references(sql) == []


def test_a_call_that_has_committed_something_is_not_repeated(
    database: Database, customers: CustomerService, sql: Sql
) -> None:
    """A method that opens two units: the first one's work would be done twice."""

    def two_units() -> None:
        customers.create({"reference": "A", "name": "Ann"})
        with Faults(database, 1, "40001"), database.connect() as connection:
            add(connection, "B")

    with pytest.raises(Contention):
        database.again(two_units)
    assert references(sql) == ["A"]


def test_a_hook_may_retry(database: Database) -> None:
    """It is not part of the call that registered it."""
    attempts = []

    def conflict(_: Connection) -> None:
        attempts.append(1)
        if len(attempts) == 1:
            raise Contention

    database.run(lambda _: database.after_commit(lambda: database.run(conflict)))
    assert len(attempts) == 2


def test_an_interrupted_hook_leaves_the_outermost_call_in_charge_of_retries(
    database: Database,
) -> None:
    """After it, a call inside the outermost one still does not retry by itself."""
    attempts = []

    def interrupt() -> None:
        raise KeyboardInterrupt

    def conflict() -> None:
        attempts.append(1)
        raise Contention

    def work() -> None:
        with suppress(KeyboardInterrupt), database.connect():
            database.after_commit(interrupt)
        database.again(conflict, deadline=0.5)

    with pytest.raises(Contention):
        database.again(work)
    assert len(attempts) == 1


def conflict_after(database: Database, first: Callable[[Connection], object]) -> list[str]:
    """Run two units of one method, of which the second conflicts; returns what was begun."""
    begun = []

    def work() -> None:
        begun.append("first")
        with suppress(OutcomeUnknown), database.connect() as connection:
            first(connection)
        begun.append("second")
        with database.connect() as connection:
            connection.execute(text("DO $$BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END$$"))

    with pytest.raises(Contention):
        database.again(work, deadline=60)
    return begun


def test_a_hook_that_retries_does_not_hide_the_commit_before_it(
    database: Database, sql: Sql
) -> None:
    """What has committed is not done again."""

    def read() -> None:
        with database.connect(read_only=True) as connection:
            connection.execute(select(1))

    def first(connection: Connection) -> None:
        add(connection)
        database.after_commit(lambda: database.again(read))

    assert conflict_after(database, first) == ["first", "second"]
    assert references(sql) == ["A"]


def test_a_commit_whose_outcome_is_unknown_counts_as_one(database: Database, sql: Sql) -> None:
    """A caller that catches the error and then meets a conflict is not called again."""
    with Faults(database, "COMMIT", DROP_AFTER):
        assert conflict_after(database, add) == ["first", "second"]
    assert references(sql) == ["A"]
