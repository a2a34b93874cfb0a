"""Tables whose rows triggers and foreign keys change, and one that is `secondary`."""

from __future__ import annotations

import uuid
from contextlib import closing

import psycopg2
from sqlalchemy import Column, ForeignKey, MetaData, Table, Uuid
from sqlalchemy.orm import Mapped, mapped_column, registry, relationship

from app.db import Base, Database, EngineOptions, Resource
from app.db.tables import NAMES


class OrderResource(Resource):
    __abstract__ = True
    metadata = MetaData(naming_convention=NAMES)
    registry = registry(type_annotation_map=Base.type_annotation_map)


ORDER_TAGS = Table(
    "order_tags",
    OrderResource.metadata,
    Column("order_id", Uuid, ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True),
    Column("tag_id", Uuid, ForeignKey("order_labels.id", ondelete="CASCADE"), primary_key=True),
)


class Label(OrderResource):
    __tablename__ = "order_labels"

    code: Mapped[str] = mapped_column(unique=True)


class Item(OrderResource):
    """A trigger keeps the total of its order."""

    __tablename__ = "order_items"
    __table_args__ = ({"info": {"side_effects": ("orders",)}},)

    order_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE"))
    n: Mapped[int]
    order: Mapped[Order | None] = relationship(lazy="raise", back_populates="items")


class Remark(OrderResource):
    """It stays when its order is deleted, and follows the code of its label."""

    __tablename__ = "order_remarks"

    order_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("orders.id", ondelete="SET NULL"))
    code: Mapped[str | None] = mapped_column(
        ForeignKey("order_labels.code", ondelete="SET NULL", onupdate="CASCADE")
    )
    text: Mapped[str]
    order: Mapped[Order | None] = relationship(lazy="raise")


class Order(OrderResource):
    __tablename__ = "orders"

    name: Mapped[str]
    total: Mapped[int] = mapped_column(default=0, server_default="0")
    items: Mapped[list[Item]] = relationship(
        lazy="raise", passive_deletes=True, back_populates="order"
    )
    tags: Mapped[list[Label]] = relationship(lazy="raise", secondary=ORDER_TAGS)


MODELS = (Label, Item, Remark, Order)
TABLES = ("order_tags", *(model.__tablename__ for model in MODELS))

_TOTALS = """
CREATE FUNCTION order_total() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE changed uuid[] := ARRAY[
    CASE WHEN TG_OP <> 'DELETE' THEN NEW.order_id END,
    CASE WHEN TG_OP <> 'INSERT' THEN OLD.order_id END];
BEGIN
    UPDATE orders
    SET total = (SELECT coalesce(sum(n), 0) FROM order_items WHERE order_id = orders.id)
    WHERE id = ANY (changed);
    RETURN NULL;
END $$;
CREATE TRIGGER order_total AFTER INSERT OR UPDATE OR DELETE ON order_items
    FOR EACH ROW EXECUTE FUNCTION order_total();
"""


def open_orders(url: str) -> Database:
    """Make the tables in a migrated database."""
    database = Database(url, options=EngineOptions(pool_size=12))
    with database.connect() as connection:
        OrderResource.metadata.create_all(connection)
    with closing(psycopg2.connect(url)) as connection_, connection_.cursor() as cursor:
        for model in MODELS:
            cursor.execute(
                f"CREATE TRIGGER touch BEFORE UPDATE ON {model.__tablename__} FOR EACH ROW"
                " WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION touch_row()"
            )
        cursor.execute(_TOTALS)
        connection_.commit()
    return database
