"""Core and ORM stay coherent where triggers, foreign keys and `secondary` tables change rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, event, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import selectinload
from uuid_utils.compat import uuid7

from tests.orders import ORDER_TAGS, Item, Label, Order, Remark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from sqlalchemy.orm import Session

    from app.db import Database

    Elsewhere = Callable[[str], list[tuple[Any, ...]]]

ORDERS = Order.__table__


@pytest.fixture
def key(orders_database: Database) -> UUID:
    """The id of an order that is committed."""
    with orders_database.session() as session:
        order = Order(name="first")
        session.add(order)
    return order.id


def load(session: Session, key: UUID, *options: Any) -> Order:
    return session.scalars(select(Order).where(Order.id == key).options(*options)).one()


def test_a_trigger_of_a_row_that_the_orm_adds_is_seen(orders_database: Database, key: UUID) -> None:
    """Inside the block and outside; the trigger's table is named in the info of the row's."""
    with orders_database.session() as session:
        order = load(session, key)
        item = Item(order_id=key, n=5)
        session.add(item)
        session.flush()
        assert order.total == 5
        item.n = 7
        session.flush()
        assert (order.total, order.version) == (7, 3)
        session.delete(item)
    assert (order.total, order.version) == (0, 4)


def test_a_change_after_the_trigger_is_no_conflict(orders_database: Database, key: UUID) -> None:
    """The unit itself raised the version, so it may write the row."""
    with orders_database.session() as session:
        order = load(session, key)
        session.add(Item(order_id=key, n=5))
        session.flush()
        order.total += 1
    assert (order.total, order.version) == (6, 3)


def test_the_orms_delete_cascades_to_loaded_objects(orders_database: Database, key: UUID) -> None:
    """Rows that a foreign key removes or changes are gone or changed in the session."""
    with orders_database.session() as session:
        item, remark = Item(order_id=key, n=1), Remark(order_id=key, text="r")
        session.add_all([item, remark])
        session.flush()
        item_key = item.id
        session.delete(session.get_one(Order, key))
        session.flush()
        assert session.get(Item, item_key) is None
        assert remark.order_id is None
    assert (item.n, remark.order_id) == (1, None)


@pytest.mark.parametrize("how", ["core", "orm"])
def test_a_changed_key_cascades(orders_database: Database, how: str) -> None:
    """ON UPDATE CASCADE: a row follows the value that it refers to."""
    with orders_database.session() as session:
        label = Label(code="a")
        session.add(label)
        session.flush()
        remark = Remark(code="a", text="r")
        session.add(remark)
        session.flush()
        if how == "orm":
            label.code = "b"
            session.flush()
        else:
            session.connection().execute(update(Label.__table__).values(code="b"))
        assert remark.code == "b"


@pytest.mark.parametrize(
    "change",
    [
        lambda key, tag: insert(ORDER_TAGS).values(order_id=key, tag_id=tag),
        lambda _key, _tag: delete(ORDER_TAGS),
        lambda key, tag: (
            upsert(ORDER_TAGS).values(order_id=key, tag_id=tag).on_conflict_do_nothing()
        ),
    ],
    ids=["insert", "delete", "upsert"],
)
def test_core_in_a_secondary_table_expires_the_collection(
    orders_database: Database, key: UUID, change: Callable[..., Any]
) -> None:
    """A collection that Core changed raises: it would be stale."""
    with orders_database.session() as session:
        tag = Label(code="a")
        session.add(tag)
        order = load(session, key, selectinload(Order.tags))
        session.connection().execute(change(key, tag.id))
        with pytest.raises(InvalidRequestError):
            len(order.tags)
        kept = load(session, key, selectinload(Order.tags)).tags
        rows = session.scalars(select(ORDER_TAGS.c.tag_id)).all()
        assert [label.id for label in kept] == rows


def test_the_orms_own_changes_of_a_collection_stay_loaded(
    orders_database: Database, key: UUID
) -> None:
    """What a flush writes to a `secondary` table is what the collection holds."""
    with orders_database.session() as session:
        order = load(session, key, selectinload(Order.tags))
        order.tags.append(Label(code="a"))
        session.flush()
        assert [label.code for label in order.tags] == ["a"]


@pytest.fixture
def rename_in_listener() -> Iterator[None]:
    """A listener for a mapper's event that executes Core, as SQLAlchemy's documentation has it."""

    def rename(_: Any, connection: Any, item: Item) -> None:
        renamed = update(ORDERS).where(ORDERS.c.id == item.order_id).values(name="renamed")
        connection.execute(renamed)
        tag = connection.execute(select(Label.id)).scalar_one()
        connection.execute(insert(ORDER_TAGS).values(order_id=item.order_id, tag_id=tag))

    event.listen(Item, "after_insert", rename)
    yield
    event.remove(Item, "after_insert", rename)


@pytest.mark.usefixtures("rename_in_listener")
def test_core_inside_a_mapper_event_is_seen(orders_database: Database, key: UUID) -> None:
    """Such statements run during a flush, and are not the flush's own."""
    with orders_database.session() as session:
        session.add(Label(code="a"))
        order = load(session, key, selectinload(Order.tags))
        session.add(Item(order_id=key, n=5))
        session.flush()
        assert (order.name, order.total) == ("renamed", 5)
        with pytest.raises(InvalidRequestError):
            len(order.tags)


def test_a_reference_that_core_changed_is_read_again(orders_database: Database, key: UUID) -> None:
    """A loaded reference raises once Core changed the column that it follows, and only then."""
    with orders_database.session() as session:
        session.add(Remark(order_id=key, text="a"))
        session.flush()
        remark = session.scalars(select(Remark).options(selectinload(Remark.order))).one()
        session.connection().execute(update(Remark.__table__).values(text="b"))
        assert remark.order is not None
        session.connection().execute(update(Remark.__table__).values(order_id=None))
        with pytest.raises(InvalidRequestError):
            _ = remark.order


def test_rows_that_a_cte_deletes_leave_their_last_values(
    orders_database: Database, key: UUID
) -> None:
    """A SELECT may delete too; what is still in use is read before it."""
    with orders_database.session() as session:
        order = load(session, key)
        connection = session.connection()
        connection.execute(update(ORDERS).values(name="last"))
        deleted = delete(ORDERS).returning(ORDERS.c.id).cte()
        connection.execute(select(deleted.c.id))
        assert session.get(Order, key) is None
    assert order.name == "last"


def test_deferred_columns_that_were_loaded_leave_the_block(
    orders_database: Database, key: UUID
) -> None:
    """They are read again too."""
    with orders_database.session() as session:
        order = load(session, key)
        session.expire(order, ["name"])
        session.connection().execute(text("UPDATE orders SET name = 'second'"))
    assert order.name == "second"


def test_the_legacy_bulk_methods_are_seen(orders_database: Database, key: UUID) -> None:
    """They flush first, and write rows behind the objects' back."""
    with orders_database.session() as session:
        order = load(session, key)
        order.total = 3
        session.bulk_update_mappings(Order.__mapper__, [{"id": key, "version": 2, "name": "bulk"}])
        assert (order.name, order.total) == ("bulk", 3)
        session.bulk_save_objects([Order(id=uuid7(), name="new")])
        assert session.scalars(select(Order.name).order_by(Order.name)).all() == ["bulk", "new"]


@pytest.mark.parametrize("how", ["delete", "change"])
def test_a_trigger_in_a_flush_is_no_conflict_for_the_rest_of_the_flush(
    orders_database: Database, key: UUID, how: str
) -> None:
    """A trigger of the first row that is written raises the version of the second one."""
    with orders_database.session() as session:
        session.add(Item(order_id=key, n=1))
        session.flush()
        order = load(session, key, selectinload(Order.items))
        if how == "delete":
            session.delete(order)  # takes the item off first
        else:
            order.items[0].n = 5
            order.total = 9
    with orders_database.session() as session:
        totals = session.scalars(select(Order.total)).all()
        assert totals == ([] if how == "delete" else [5])
