"""The version at which a unit first saw a row guards what it writes to the row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import defer, load_only

from app.db.errors import Contention
from tests.orders import Item, Order

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from sqlalchemy.orm import Session

    from app.db import Database

    Elsewhere = Callable[[str], list[tuple[Any, ...]]]

ORDERS = Order.__table__
RENAME = update(ORDERS).where(ORDERS.c.name == "other").values(name="renamed")


@pytest.fixture
def key(orders_database: Database) -> UUID:
    """The id of an order; there is another one."""
    with orders_database.session() as session:
        order = Order(name="order")
        session.add_all([order, Order(name="other")])
    return order.id


def load(session: Session, key: UUID) -> Order:
    return session.get_one(Order, key)


@pytest.mark.parametrize(
    "expire",
    [
        lambda session, _: session.connection().execute(RENAME),
        lambda session, _: session.connection().execute(text("SELECT unknown_to_us()")),
        lambda session, order: session.expire(order),
        lambda session, _: session.expire_all(),
    ],
    ids=["core", "text", "expire", "expire_all"],
)
@pytest.mark.parametrize("write", ["change", "delete"])
def test_a_row_that_another_unit_changed_is_not_overwritten(
    orders_database: Database, key: UUID, elsewhere: Elsewhere, expire: Any, write: str
) -> None:
    """Also where it was expired meanwhile, and has the other's version by now."""
    elsewhere("CREATE OR REPLACE FUNCTION unknown_to_us() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    with pytest.raises(Contention), orders_database.session() as session:
        order = load(session, key)
        seen = order.total
        elsewhere("UPDATE orders SET total = 50 WHERE name = 'order'")
        expire(session, order)
        if write == "change":
            order.total = seen + 1
        else:
            session.delete(order)
    assert elsewhere("SELECT total, version FROM orders WHERE name = 'order'") == [(50, 2)]


def test_the_units_own_changes_are_no_conflict(orders_database: Database, key: UUID) -> None:
    """By Core, by text, in savepoints of both kinds and by triggers."""
    with orders_database.session() as session:
        order, connection = load(session, key), session.connection()
        connection.execute(update(ORDERS).values(name="a"))
        order.total = 1
        session.flush()
        connection.execute(text("UPDATE orders SET name = 'b'"))
        order.total = 2
        with session.begin_nested():
            connection.execute(update(ORDERS).values(name="c"))
            order.total = 3
        with connection.begin_nested():
            connection.execute(update(ORDERS).values(name="d"))
            order.total = 4
            session.flush()
            order.total = 5
        session.add(Item(order_id=key, n=9))
        session.flush()
        order.total = 10
    assert (order.name, order.total) == ("d", 10)


@pytest.mark.parametrize("kind", ["core", "orm"])
@pytest.mark.parametrize("first", ["before", "inside"])
def test_what_a_rolled_back_savepoint_changed_is_no_conflict(
    orders_database: Database, key: UUID, kind: str, first: str
) -> None:
    """A version that was undone is none that the unit could have seen."""
    with orders_database.session() as session:
        connection = session.connection()
        seen = [load(session, key)] if first == "before" else []
        savepoint = session.begin_nested() if kind == "orm" else connection.begin_nested()
        connection.execute(update(ORDERS).values(total=7))
        seen.append(load(session, key))
        seen[0].name = "inside"
        session.flush()
        savepoint.rollback()
        assert seen[0].total == 0
        seen[0].total += 1
    assert (seen[0].name, seen[0].total, seen[0].version) == ("order", 1, 2)


@pytest.mark.parametrize("kind", ["core", "orm"])
@pytest.mark.parametrize("flushed", [True, False])
def test_a_change_elsewhere_after_a_rolled_back_savepoint_is_a_conflict(
    orders_database: Database, key: UUID, elsewhere: Elsewhere, kind: str, flushed: bool
) -> None:
    """The savepoint's end gives the row's lock back."""
    with pytest.raises(Contention), orders_database.session() as session:
        order = load(session, key)
        start = session if kind == "orm" else session.connection()
        savepoint: Any = start.begin_nested()
        order.total = 1
        if flushed:
            session.flush()
        savepoint.rollback()
        elsewhere("UPDATE orders SET total = 50 WHERE name = 'order'")
        order.total = 1


@pytest.mark.parametrize(
    "again",
    [
        lambda session, order: session.refresh(order),
        lambda session, order: session.get(Order, order.id, with_for_update=True),
        lambda session, _: session.scalars(select(Order).with_for_update()).all(),
        lambda session, _: session.scalars(
            select(Order).execution_options(populate_existing=True)
        ).all(),
    ],
    ids=["refresh", "get", "locked", "populate_existing"],
)
def test_a_row_that_is_read_again_on_purpose_is_guarded_from_then_on(
    orders_database: Database, key: UUID, elsewhere: Elsewhere, again: Any
) -> None:
    """The unit decides on the newest values."""
    with orders_database.session() as session:
        order = load(session, key)
        elsewhere("UPDATE orders SET total = 50 WHERE name = 'order'")
        session.connection().execute(RENAME)
        again(session, order)
        order.total += 1
    assert order.total == 51


def test_a_merge_of_an_older_version_is_a_conflict(
    orders_database: Database, key: UUID, elsewhere: Elsewhere
) -> None:
    """As a flush of it would be."""
    with orders_database.session() as session:
        order = load(session, key)
    elsewhere("UPDATE orders SET total = 50")
    with pytest.raises(Contention), orders_database.session() as session:
        session.merge(order)


@pytest.mark.parametrize("option", [load_only(Order.name), defer(Order.version)])
def test_an_object_of_some_columns_is_guarded_too(
    orders_database: Database, key: UUID, elsewhere: Elsewhere, option: Any
) -> None:
    """Its version is loaded with them."""
    with pytest.raises(Contention), orders_database.session() as session:
        order = session.scalars(select(Order).where(Order.id == key).options(option)).one()
        elsewhere("UPDATE orders SET total = 50 WHERE name = 'order'")
        order.name = f"{order.name} again"


def test_an_object_loaded_in_a_savepoint_that_rolled_back_is_guarded(
    orders_database: Database, key: UUID, elsewhere: Elsewhere
) -> None:
    """Its row was there before the savepoint, and the unit has seen it."""
    with pytest.raises(Contention), orders_database.session() as session:
        savepoint = session.begin_nested()
        order = load(session, key)
        seen = order.total
        savepoint.rollback()
        elsewhere("UPDATE orders SET total = 50 WHERE name = 'order'")
        order.total = seen + 1


def test_a_version_of_a_rolled_back_savepoint_is_no_conflict(
    orders_database: Database, key: UUID
) -> None:
    """The row went back to an earlier version than the unit saw."""
    with orders_database.session() as session:
        savepoint = session.begin_nested()
        session.connection().execute(update(ORDERS).values(total=5))
        order = load(session, key)
        savepoint.rollback()
        order.total += 1
    assert order.total == 1
