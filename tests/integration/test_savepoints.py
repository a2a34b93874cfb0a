"""Rule 6: parts of a unit of work that are rolled back or skipped, and what is kept of the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from app.db import Database, UnitRolledBack
from app.db.errors import ConnectionLost, NotUnique
from app.db.testing import DROP, Faults
from app.models import Customer
from app.repositories import CustomerRepository
from tests.customer_rows import add_customer, references

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.services import CustomerService

    Sql = Callable[..., list[tuple[Any, ...]]]

pytestmark = pytest.mark.usefixtures("connected")


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
            add_customer(connection, "core")
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
            add_customer(connection, "A")
            with pytest.raises(LookupError), database.savepoint():
                add_customer(connection, "B")
                raise LookupError
        with pytest.raises(LookupError), database.savepoint():
            with database.savepoint():
                add_customer(connection, "C")
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
        add_customer(connection)
        with pytest.raises(NotUnique):
            add_customer(connection)
        with pytest.raises(UnitRolledBack):
            connection.execute(text("SELECT 1"))
    assert isinstance(caught.value.__cause__, NotUnique)


def test_a_lost_connection_inside_a_savepoint_ends_the_unit(database: Database, sql: Sql) -> None:
    """There is nothing left to go back to, whatever the caller swallows."""
    with Faults(database, 3, DROP), pytest.raises((UnitRolledBack, ConnectionLost)):
        with database.connect() as connection:
            add_customer(connection)
            try:
                with database.savepoint():
                    add_customer(connection, "B")
            except ConnectionLost:
                pass
            add_customer(connection, "C")
    assert references(sql) == []
