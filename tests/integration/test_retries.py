"""Rule 6: a unit of work that met a conflict or a lost connection runs again, as a whole."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.db import Database, Timeouts
from app.db.errors import Contention, NotUnique, OutcomeUnknown
from app.db.testing import DROP, DROP_AFTER, Faults
from app.models import Customer
from tests.customer_rows import CUSTOMERS, add_customer, references

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from app.services import CustomerService

    Sql = Callable[..., list[tuple[Any, ...]]]

pytestmark = pytest.mark.usefixtures("connected")


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
        return add_customer(connection)

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
        database.run(add_customer, deadline=0.3)
    assert time.monotonic() - started < 2
    assert len(caught.value.causes) > 1
    assert all(isinstance(cause, Contention) for cause in caught.value.causes)


def test_a_database_may_have_a_deadline_of_its_own(database_url: str, database: Database) -> None:
    """`run` and `@retry` use it unless the call names another one."""
    hasty = Database(database_url, timeouts=Timeouts(retry=0))
    with Faults(hasty, 1, "40001", always=True) as faults, pytest.raises(Contention):
        hasty.run(add_customer)
    assert faults.struck == 1
    with Faults(hasty, 1, "40001"):
        assert hasty.run(add_customer, deadline=60) == "A"
    hasty.dispose()


@pytest.mark.parametrize(("how", "done"), [(DROP, []), (DROP_AFTER, ["A"])])
def test_a_connection_lost_during_commit_is_never_retried(
    database: Database, sql: Sql, how: str, done: list[str]
) -> None:
    """All may be done, or nothing: only the caller can find out."""
    calls = []

    def work(connection: Connection) -> None:
        calls.append(connection)
        add_customer(connection)

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
        add_customer(connection)
        add_customer(connection)

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
        add_customer(connection, f"own {count}")

    def database_other(database: Database, sql: Sql) -> None:
        sql(
            "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM customers;"
            " INSERT INTO customers (id, reference, name)"
            " VALUES (gen_random_uuid(), 'other', 'x'); COMMIT"
        )

    database.run(work, isolation="SERIALIZABLE")
    assert len(attempts) == 2
    assert references(sql) == ["other", "own 1"]


def test_a_call_that_has_committed_something_is_not_repeated(
    database: Database, customers: CustomerService, sql: Sql
) -> None:
    """A method that opens two units: the first one's work would be done twice."""

    def two_units() -> None:
        customers.create({"reference": "A", "name": "Ann"})
        with Faults(database, 1, "40001"), database.connect() as connection:
            add_customer(connection, "B")

    with pytest.raises(Contention):
        database.again(two_units)
    assert references(sql) == ["A"]


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
        add_customer(connection)
        database.after_commit(lambda: database.again(read))

    assert conflict_after(database, first) == ["first", "second"]
    assert references(sql) == ["A"]


def test_a_commit_whose_outcome_is_unknown_counts_as_one(database: Database, sql: Sql) -> None:
    """A caller that catches the error and then meets a conflict is not called again."""
    with Faults(database, "COMMIT", DROP_AFTER):
        assert conflict_after(database, add_customer) == ["first", "second"]
    assert references(sql) == ["A"]
