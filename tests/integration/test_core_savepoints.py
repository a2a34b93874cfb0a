"""A savepoint of Core, or of the session, takes back what the session knows of it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, insert, inspect, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from uuid_utils.compat import uuid7

from app.db import UnitOfWorkError, UnitRolledBack
from tests.orders import Label, Order
from tests.owners import in_a_thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from app.db import Database

    Elsewhere = Callable[[str], list[tuple[Any, ...]]]

ORDERS = Order.__table__
BOTH = pytest.mark.parametrize("kind", ["core", "orm"])


@pytest.fixture
def key(orders_database: Database) -> UUID:
    """The id of an order that is committed."""
    with orders_database.session() as session:
        order = Order(name="first")
        session.add(order)
    return order.id


def begin_nested(session: Any, kind: str) -> Any:
    return (session if kind == "orm" else session.connection()).begin_nested()


@BOTH
def test_a_rolled_back_value_is_read_again(orders_database: Database, key: UUID, kind: str) -> None:
    """By Core, by the ORM, flushed or not; inside the block and outside."""
    with orders_database.session() as session:
        order = session.get_one(Order, key)
        savepoint = begin_nested(session, kind)
        session.connection().execute(update(ORDERS).values(name="core"))
        assert order.name == "core"
        order.total = 1
        session.flush()
        order.name = "not flushed"
        savepoint.rollback()
        assert (order.name, order.total, order.version) == ("first", 0, 1)
    assert (order.name, order.total, order.version) == ("first", 0, 1)


@BOTH
@pytest.mark.parametrize("flushed", [True, False])
def test_a_rolled_back_object_is_new_again(
    orders_database: Database, kind: str, flushed: bool
) -> None:
    """It can be added once more."""
    with orders_database.session() as session:
        savepoint = begin_nested(session, kind)
        order = Order(name="new")
        session.add(order)
        if flushed:
            session.flush()
        savepoint.rollback()
        assert inspect(order).transient
        assert session.scalars(select(Order)).all() == []
        session.add(order)
    assert order.name == "new"
    with orders_database.session() as session:
        assert [found.name for found in session.scalars(select(Order))] == ["new"]


@BOTH
@pytest.mark.parametrize("how", ["core", "orm"])
def test_a_rolled_back_delete_leaves_the_object(
    orders_database: Database, key: UUID, kind: str, how: str
) -> None:
    """It is in the session, with the values of its row."""
    with orders_database.session() as session:
        order = session.get_one(Order, key)
        savepoint = begin_nested(session, kind)
        session.connection().execute(update(ORDERS).values(name="core"))
        if how == "orm":
            session.delete(order)
            session.flush()
        else:
            session.connection().execute(delete(ORDERS))
        assert session.get(Order, key) is None
        savepoint.rollback()
        found = session.get(Order, key)
        assert found is not None
        assert found.name == "first"
        found.name = "second"
    assert found.name == "second"


@BOTH
def test_savepoints_in_savepoints(orders_database: Database, key: UUID, kind: str) -> None:
    """The outer one takes back what the inner one kept, whichever way each is set."""
    with orders_database.session() as session:
        order = session.get_one(Order, key)
        outer = begin_nested(session, kind)
        order.name = "outer"
        inner = begin_nested(session, "core" if kind == "orm" else "orm")
        order.total = 1
        inner.commit()
        assert (order.name, order.total) == ("outer", 1)
        outer.rollback()
        assert (order.name, order.total) == ("first", 0)
        with begin_nested(session, kind):
            order.name = "kept"
    assert (order.name, order.version) == ("kept", 2)


@BOTH
def test_core_after_a_savepoint_of_the_session_is_inside_it(
    orders_database: Database, key: UUID, kind: str
) -> None:
    """SAVEPOINT is sent at once, not with the session's next statement."""
    with orders_database.session() as session:
        connection = session.connection()
        savepoint = begin_nested(session, kind)
        connection.execute(update(ORDERS).values(name="inside"))
        savepoint.rollback()
        assert session.get_one(Order, key).name == "first"


@BOTH
def test_an_error_in_a_savepoint_can_be_caught_outside_of_it(
    orders_database: Database, kind: str
) -> None:
    """As with `database.savepoint()`; the hooks of the savepoint are forgotten."""
    called = []
    row = {"id": uuid7(), "code": "a"}
    with orders_database.session() as session:
        connection = session.connection()
        connection.execute(insert(Label.__table__), row)
        with pytest.raises(IntegrityError), begin_nested(session, kind):
            orders_database.after_commit(lambda: called.append("inside"))
            connection.execute(insert(Label.__table__), {**row, "id": uuid7()})
        orders_database.after_commit(lambda: called.append("outside"))
        assert [label.code for label in session.scalars(select(Label))] == ["a"]
    assert called == ["outside"]


def test_a_session_first_opened_inside_a_savepoint_of_core(
    orders_database: Database, key: UUID
) -> None:
    """It works on after the savepoint is rolled back."""
    with orders_database.connect() as connection:
        savepoint = connection.begin_nested()
        with orders_database.session() as session:
            order = session.get_one(Order, key)
            order.name = "inside"
        savepoint.rollback()
        with orders_database.session() as session:
            assert session.get_one(Order, key).name == "first"
            session.get_one(Order, key).name = "outside"
    with orders_database.session() as session:
        assert session.get_one(Order, key).name == "outside"


@BOTH
def test_a_read_only_unit_of_single_statements_has_no_savepoints(
    orders_database: Database, kind: str
) -> None:
    """The error says so, whichever way the savepoint is asked for."""
    with (
        pytest.raises(UnitOfWorkError, match="has no savepoints"),
        orders_database.session(read_only=True) as session,
    ):
        session.connection().execute(text("SELECT 1"))
        begin_nested(session, kind)


class _FailedError(Exception):
    pass


@BOTH
def test_a_savepoint_forgives_no_block_that_began_outside_of_it(
    orders_database: Database, elsewhere: Elsewhere, kind: str
) -> None:
    """Half of the block's work is outside of the savepoint, and would be committed."""
    with pytest.raises(UnitRolledBack), orders_database.session() as session:
        with suppress(_FailedError), orders_database.session():
            session.add(Order(name="outside"))
            savepoint = begin_nested(session, kind)
            session.add(Order(name="inside"))
            raise _FailedError
        savepoint.rollback()
    assert elsewhere("SELECT name FROM orders") == []


@BOTH
def test_a_savepoint_forgives_no_such_block_for_an_error_of_a_statement(
    orders_database: Database, elsewhere: Elsewhere, kind: str
) -> None:
    """The error that left the block is one that arose inside the savepoint."""
    with pytest.raises(UnitRolledBack), orders_database.session() as session:
        with suppress(DBAPIError), orders_database.session():
            session.add(Order(name="outside"))
            savepoint = begin_nested(session, kind)
            session.connection().execute(text("SELECT 1 / 0"))
        savepoint.rollback()
    assert elsewhere("SELECT name FROM orders") == []


@BOTH
def test_a_savepoint_forgives_a_block_inside_of_it(
    orders_database: Database, elsewhere: Elsewhere, kind: str
) -> None:
    """All that the block did is undone with it."""
    with orders_database.session() as session:
        session.add(Order(name="outside"))
        savepoint = begin_nested(session, kind)
        with suppress(_FailedError), orders_database.session():
            session.add(Order(name="inside"))
            begin_nested(session, kind).commit()
            raise _FailedError
        savepoint.rollback()
    assert elsewhere("SELECT name FROM orders") == [("outside",)]


@BOTH
def test_a_savepoint_forgives_no_use_by_another_thread(
    orders_database: Database, elsewhere: Elsewhere, kind: str
) -> None:
    """The thread may have been the one that was to write the rest."""
    with pytest.raises(UnitRolledBack), orders_database.session() as session:
        session.add(Order(name="outside"))
        savepoint = begin_nested(session, kind)
        [error] = in_a_thread(lambda: session.connection().execute(select(1)))
        assert isinstance(error, UnitOfWorkError)
        savepoint.rollback()
    assert elsewhere("SELECT name FROM orders") == []


def test_a_savepoint_of_the_database_forgives_no_use_by_another_thread(
    orders_database: Database, elsewhere: Elsewhere
) -> None:
    """As one of Core or of the session."""
    with pytest.raises(UnitRolledBack), orders_database.session() as session:
        with suppress(_FailedError), orders_database.savepoint():
            in_a_thread(lambda: session.connection().execute(select(1)))
            raise _FailedError
        session.add(Order(name="outside"))
    assert elsewhere("SELECT name FROM orders") == []
