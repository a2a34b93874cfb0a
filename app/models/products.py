"""The table of products."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Index, true
from sqlalchemy.orm import Mapped, mapped_column

from app.db import LIVE, DeletableResource
from app.models.search import make_searchable
from app.models.types import MinorUnits


class Product(DeletableResource):
    """A product of the firm, about which customers ask."""

    __tablename__ = "products"

    sku: Mapped[str]
    name: Mapped[str]
    description: Mapped[str] = mapped_column(default="", server_default="")
    price: Mapped[int] = mapped_column(MinorUnits)
    currency: Mapped[str]
    is_active: Mapped[bool] = mapped_column(default=True, server_default=true())

    __table_args__ = (
        CheckConstraint("char_length(sku) BETWEEN 1 AND 64", name="sku"),
        CheckConstraint("char_length(name) BETWEEN 1 AND 200", name="name"),
        CheckConstraint("char_length(description) <= 10000", name="description"),
        CheckConstraint("price BETWEEN 0 AND 1000000000000000", name="price"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
    )


make_searchable(Product.__table__, {"sku": "A", "name": "A", "description": "B"})
Index("uq_products_sku", Product.sku, unique=True, postgresql_where=LIVE)
Index("ix_products_created_at", Product.created_at, Product.id)
Index("ix_products_name", Product.name, Product.id)
