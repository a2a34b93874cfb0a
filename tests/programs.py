"""Random programs of Core and ORM in one unit, compared with the database after every step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Table, delete, func, insert, inspect, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import selectinload
from uuid_utils.compat import uuid7

from app.db.encoding import copy_lines
from tests.orders import ORDER_TAGS, Item, Label, Order, OrderResource, Remark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from app.db import Database

Step = tuple[str, int, int]
"""The name of a method of `Program`, and two numbers that choose its rows and values."""

ORDERS, ITEMS, REMARKS, LABELS = (m.__table__ for m in (Order, Item, Remark, Label))
TABLES = (*OrderResource.metadata.sorted_tables,)
LOADS: Sequence[tuple[type[OrderResource], Any]] = (
    (Order, ()),
    (Order, (selectinload(Order.items), selectinload(Order.tags))),
    (Item, (selectinload(Item.order),)),
    (Remark, (selectinload(Remark.order),)),
    (Label, ()),
)


class UndoneError(Exception):
    """Leaves a savepoint that is to be rolled back."""


class Program:
    """A unit at work. Whatever it loads or adds is kept in `loaded`, so that nothing is read anew
    only because nobody used it."""

    def __init__(self, database: Database, session: Session) -> None:
        self.database = database
        self.session = session
        self.loaded: list[Any] = []
        self.savepoints: list[tuple[Any, dict[str, list[Any]]]] = []

    @property
    def connection(self) -> Connection:
        return self.session.connection()

    def run(self, steps: Iterable[Step]) -> None:
        self.start()
        for name, a, b in steps:
            getattr(self, name)(a, b)
            if a % 2 or b % 2:  # what was expired stays so for some steps
                self.look()
        while self.savepoints:
            self.release(0, 0)

    def start(self) -> None:
        orders, labels = [uuid7(), uuid7()], [uuid7(), uuid7()]
        self.connection.execute(insert(ORDERS), [{"id": key, "name": "o"} for key in orders])
        codes = [{"id": key, "code": key.hex} for key in labels]
        self.connection.execute(insert(LABELS), codes)
        items = [{"id": uuid7(), "order_id": key, "n": 1} for key in orders]
        self.connection.execute(insert(ITEMS), items)
        remark = {"id": uuid7(), "order_id": orders[0], "code": codes[0]["code"], "text": "r"}
        self.connection.execute(insert(REMARKS), remark)
        tag = {"order_id": orders[0], "tag_id": labels[0]}
        self.connection.execute(insert(ORDER_TAGS), tag)

    # What is compared

    def look(self) -> None:
        rows = dump(self.connection)
        for entity in self.loaded:
            if inspect(entity).persistent:
                check(entity, rows, self.session)

    # Reads

    def load(self, a: int, b: int) -> None:
        model, options = LOADS[a % len(LOADS)]
        found = self.session.scalars(select(model).options(*options)).all()
        self.loaded += found[: 1 + b]

    def lock(self, a: int, _: int) -> None:
        if (entity := self.pick(a)) is not None:
            self.session.refresh(entity, with_for_update=True)

    def stream(self, a: int, b: int) -> None:
        """A step between the rows of a stream."""
        rows = self.session.scalars(select(Order).execution_options(yield_per=1))
        for order in rows:
            self.loaded.append(order)
            self.update(a, b)

    def read_text(self, _: int, b: int) -> None:
        self.connection.execute(text(("SELECT 1", "SELECT count(*) FROM orders")[b % 2])).all()

    # The ORM

    def pick(self, a: int, *models: type[OrderResource]) -> Any:
        """An object whose row is there."""
        self.session.flush()
        there = [
            entity
            for entity in self.loaded
            if inspect(entity).persistent
            and isinstance(entity, models or OrderResource)
            and self.session.get(type(entity), inspect(entity).identity) is not None
        ]
        return there[a % len(there)] if there else None

    def key(self, table: Table, a: int) -> UUID | None:
        keys = self.connection.scalars(select(table.c.id).order_by(table.c.id)).all()
        return keys[a % len(keys)] if keys else None

    def add(self, a: int, b: int) -> None:
        order = self.pick(b, Order)
        code = self.connection.scalar(select(func.min(LABELS.c.code)))
        kinds: Sequence[Callable[[], OrderResource]] = (
            lambda: Order(name=f"new {b}"),
            lambda: Item(order=order, n=b),
            lambda: Remark(order=order, code=code, text="new"),
            lambda: Label(code=uuid7().hex),
        )
        entity = kinds[a % len(kinds)]()
        self.session.add(entity)
        self.loaded.append(entity)

    def change(self, a: int, b: int) -> None:
        match self.pick(a):
            case Order() as order:
                order.name = f"changed {b}"
            case Item() as item:
                item.n = b
            case Remark() as remark:
                remark.text = f"changed {b}"
            case Label() as label:
                label.code = uuid7().hex

    def change_both(self, a: int, b: int) -> None:
        """Core and the ORM change the same object."""
        if (order := self.pick(a, Order)) is not None:
            order.name = f"orm {b}"
            self.update(0, b)
            order.total += 1

    def remove(self, a: int, _: int) -> None:
        if (entity := self.pick(a)) is not None:
            self.session.delete(entity)

    def merge(self, a: int, b: int) -> None:
        if (order := self.pick(a, Order)) is not None:
            merged = Order(id=order.id, version=order.version, name=f"merged {b}")
            self.loaded.append(self.session.merge(merged))

    def relate(self, a: int, b: int) -> None:
        """Change a relationship where it is loaded."""
        order, item, label = self.pick(a, Order), self.pick(b, Item), self.pick(b, Label)
        if order is not None and item is not None and "items" in inspect(order).dict:
            (order.items.remove if item in order.items else order.items.append)(item)
        elif order is not None and label is not None and "tags" in inspect(order).dict:
            (order.tags.remove if label in order.tags else order.tags.append)(label)

    def bulk(self, a: int, b: int) -> None:
        session: Any = self.session
        if b % 3 == 0:
            session.bulk_insert_mappings(Item, [{"order_id": self.key(ORDERS, a), "n": b}])
        elif b % 3 == 1:
            session.execute(insert(Item), [{"order_id": self.key(ORDERS, a), "n": b}])
        elif (order := self.pick(a, Order)) is not None:
            values = {"id": order.id, "version": order.version, "name": f"bulk {b}"}
            session.bulk_update_mappings(Order, [values])

    # Core

    def insert(self, a: int, b: int) -> None:
        values = {"id": uuid7(), "order_id": self.key(ORDERS, a), "n": b}
        self.connection.execute(insert(ITEMS), values)

    def update(self, a: int, b: int) -> None:
        statements = (
            update(ORDERS).values(name=f"core {b}"),
            update(ITEMS).values(n=ITEMS.c.n + 1),
            update(ITEMS).values(order_id=self.key(ORDERS, b)),
            update(LABELS).values(code=func.concat("x", LABELS.c.code)),
            update(REMARKS).values(order_id=None),
            update(Order).values(name=f"enabled {b}"),
        )
        self.connection.execute(statements[a % len(statements)])

    def update_by_orm(self, a: int, b: int) -> None:
        statements = (
            update(Order).values(name=f"enabled {b}"),
            update(Item).where(Item.n > b).values(n=b),
            delete(Item).where(Item.n == b),
        )
        self.session.execute(statements[a % len(statements)])

    def delete(self, a: int, b: int) -> None:
        table = (ORDERS, ITEMS, LABELS, REMARKS)[a % 4]
        self.connection.execute(delete(table).where(table.c.id == self.key(table, b)))

    def upsert(self, a: int, b: int) -> None:
        key = self.key(ORDERS, a) or uuid7()
        inserted = upsert(ORDERS).values(id=key, name="new", total=0)
        names = {"name": f"upsert {b}"}
        self.connection.execute(inserted.on_conflict_do_update(index_elements=["id"], set_=names))

    def tag(self, a: int, b: int) -> None:
        order, label = self.key(ORDERS, a), self.key(LABELS, b)
        if order is None or label is None:
            return
        tag = upsert(ORDER_TAGS).values(order_id=order, tag_id=label).on_conflict_do_nothing()
        self.connection.execute(delete(ORDER_TAGS) if b % 2 else tag)

    def cte(self, a: int, b: int) -> None:
        changes = (
            update(ORDERS).values(name=f"cte {b}").returning(ORDERS.c.id),
            delete(ITEMS).where(ITEMS.c.id == self.key(ITEMS, b)).returning(ITEMS.c.id),
            delete(ORDERS).where(ORDERS.c.id == self.key(ORDERS, b)).returning(ORDERS.c.id),
        )
        changed = changes[a % len(changes)].cte()
        self.connection.execute(select(changed.c.id)).all()

    def write_text(self, a: int, b: int) -> None:
        statements = (
            "UPDATE orders SET name = :name",
            "DELETE FROM order_items WHERE n = :n",
            "WITH c AS (UPDATE order_remarks SET text = :name RETURNING id) SELECT * FROM c",
            "DELETE FROM orders WHERE total = :n",
        )
        statement = text(statements[a % len(statements)])
        known = {"name": f"text {b}", "n": b}
        self.connection.execute(statement, {n: known[n] for n in statement._bindparams})

    def driver_sql(self, _: int, b: int) -> None:
        self.connection.exec_driver_sql("UPDATE orders SET name = %s", (f"driver {b}",))

    def raw(self, _: int, b: int) -> None:
        """A cursor of psycopg2's own."""
        cursor = self.connection.connection.cursor()
        cursor.execute("UPDATE order_items SET n = n + %s", (b,))
        cursor.close()

    def copy(self, a: int, b: int) -> None:
        lines = copy_lines(
            [ITEMS.c.id.type, ITEMS.c.order_id.type, ITEMS.c.n.type],
            [(uuid7(), order, b)] if (order := self.key(ORDERS, a)) else [],
            self.connection.dialect,
        )
        copied = text("COPY order_items (id, order_id, n) FROM STDIN")
        self.connection.execute(copied.execution_options(copy_from=lines))

    # Savepoints

    def begin(self, a: int, _: int) -> None:
        before = dump(self.connection)
        if a % 3 == 0:
            savepoint: Any = self.session.begin_nested()
        elif a % 3 == 1:
            savepoint = self.connection.begin_nested()
        else:
            savepoint = self.database.savepoint()
            savepoint.__enter__()
        self.savepoints.append((savepoint, before))

    def release(self, _: int, __: int) -> None:
        if self.savepoints:
            savepoint, _before = self.savepoints.pop()
            if hasattr(savepoint, "commit"):
                savepoint.commit()
            else:
                savepoint.__exit__(None, None, None)

    def roll_back(self, _: int, __: int) -> None:
        if not self.savepoints:
            return
        savepoint, before = self.savepoints.pop()
        if hasattr(savepoint, "rollback"):
            savepoint.rollback()
        else:
            error = UndoneError()
            assert not savepoint.__exit__(UndoneError, error, None)
        assert dump(self.connection) == before

    def fail(self, a: int, b: int) -> None:
        """A statement that PostgreSQL refuses, by Core or in a flush, undoes its savepoint."""
        label = self.key(LABELS, a)
        if not self.savepoints or label is None:
            return
        code = self.connection.scalar(select(LABELS.c.code).where(LABELS.c.id == label))
        try:
            if b % 2:
                self.connection.execute(insert(LABELS), {"id": uuid7(), "code": code})
            else:
                self.session.add_all([Order(name="half"), Label(code=code)])
                self.session.flush()
        except IntegrityError:
            self.roll_back(0, 0)
        else:
            raise AssertionError("The code is taken.")


STEPS = [
    "load", "load", "load", "lock", "read_text", "add", "change", "change", "change_both", "remove",
    "merge", "relate", "relate", "bulk", "insert", "update", "update", "update_by_orm", "delete",
    "upsert", "tag", "cte", "write_text", "driver_sql", "raw", "copy", "stream", "begin", "begin",
    "release", "roll_back", "fail",
]  # fmt: skip


def dump(connection: Connection) -> dict[str, list[Any]]:
    """All rows. Reading them flushes, as any Core statement does."""
    return {
        table.name: [*connection.execute(select(table).order_by(*table.primary_key.columns))]
        for table in TABLES
    }


def keys_of(collection: Iterable[Any]) -> set[UUID]:
    """As always with SQLAlchemy, a collection keeps what `Session.delete` has removed."""
    states = map(inspect, collection)
    return {state.identity[0] for state in states if not state.deleted and not state.was_deleted}


def check(entity: Any, rows: dict[str, list[Any]], session: Session | None) -> None:
    """Compare an object with its row, and its loaded relationships with theirs."""
    model = type(entity)
    key = inspect(entity).identity[0]
    row = {row.id: row for row in rows[model.__tablename__]}.get(key)
    if row is None:
        if session is not None:
            assert session.get(model, key) is None, f"The row of {entity} is gone."
        else:
            assert entity.version, "An object has its last values outside the unit."
        return
    for column in model.__table__.c:
        assert getattr(entity, column.key) == getattr(row, column.key), f"{model}.{column.key}"
    loaded = inspect(entity).dict
    if "items" in loaded:
        items = {item.id for item in rows["order_items"] if item.order_id == key}
        assert keys_of(entity.items) == items, "items"
    if "tags" in loaded:
        tags = {tag.tag_id for tag in rows["order_tags"] if tag.order_id == key}
        assert keys_of(entity.tags) == tags, "tags"
    if "order" in loaded:
        order = None if entity.order is None else inspect(entity.order).identity[0]
        assert order == row.order_id, "order"
