"""The table of customers."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Index, Text, func, literal_column, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import LIVE, DeletableResource
from app.db.marks import FIELDS, LARGE
from app.models.base import JSON, PERSONAL, json_size

# The text that `q=` searches. Spelt as PostgreSQL prints it, so that the query matches the index.
SEARCHED = literal_column("((((reference || ' ') || name) || ' ') || COALESCE(email, ''))", Text)


class Customer(DeletableResource):
    """A person or company with accounts at the firm."""

    __tablename__ = "customers"

    reference: Mapped[str] = mapped_column(info={PERSONAL: True})
    name: Mapped[str] = mapped_column(info={PERSONAL: True})
    email: Mapped[str | None] = mapped_column(info={PERSONAL: True})
    phone: Mapped[str | None] = mapped_column(info={PERSONAL: True})
    attributes: Mapped[JSON] = mapped_column(
        default=dict, server_default=text("'{}'"), info={PERSONAL: True, LARGE: True}
    )

    __table_args__ = (
        CheckConstraint("char_length(reference) BETWEEN 1 AND 64", name="reference"),
        CheckConstraint("char_length(name) BETWEEN 1 AND 200", name="name"),
        CheckConstraint("char_length(email) BETWEEN 3 AND 254", name="email"),
        CheckConstraint("char_length(phone) BETWEEN 1 AND 40", name="phone"),
        CheckConstraint("jsonb_typeof(attributes) = 'object'", name="attributes"),
        json_size("attributes"),
        Index(
            "ix_customers_search",
            SEARCHED.label("searched"),
            postgresql_using="gin",
            postgresql_ops={"searched": "gin_trgm_ops"},
        ),
    )


Index("uq_customers_reference", Customer.reference, unique=True, postgresql_where=LIVE)
Index(
    "uq_customers_email",
    func.lower(Customer.email),
    unique=True,
    postgresql_where=LIVE,
    info={FIELDS: ("email",)},
)
Index("ix_customers_created_at", Customer.created_at, Customer.id)
Index("ix_customers_name", Customer.name, Customer.id)
