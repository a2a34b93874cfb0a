"""Rule 9: what runs after the commit, once, and never for what was rolled back."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from app.db import Database, UnitOfWorkError
from app.db.errors import Contention
from app.db.testing import Faults
from tests.customer_rows import add_customer, references

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    Sql = Callable[..., list[tuple[Any, ...]]]

pytestmark = pytest.mark.usefixtures("connected")


def test_a_hook_runs_once_after_the_real_commit(database: Database, sql: Sql) -> None:
    """Others see the work when it runs, and it may open a unit of its own."""
    seen = []

    def hook() -> None:
        seen.append(references(sql))
        with database.connect() as connection:
            add_customer(connection, "hook")

    with database.connect() as connection:
        with database.connect():
            database.after_commit(hook)
        add_customer(connection)
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
            add_customer(connection)
    assert called == []


def test_a_failing_hook_is_logged_and_undoes_nothing(
    database: Database, sql: Sql, caplog: pytest.LogCaptureFixture
) -> None:
    """The unit is not run again, and the other hooks run."""
    called: list[int] = []

    def work(connection: Connection) -> None:
        add_customer(connection)
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
