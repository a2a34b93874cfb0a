"""The table of FAQs."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, false, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.db import DeletableResource
from app.models.search import make_searchable


class Faq(DeletableResource):
    """A question that is asked often, about a product or in general, and its answer."""

    __tablename__ = "faqs"

    question: Mapped[str]
    answer: Mapped[str]
    product_id: Mapped[UUID | None] = mapped_column(ForeignKey("products.id"))
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list, server_default=text("'{}'"))
    is_published: Mapped[bool] = mapped_column(default=False, server_default=false())

    __table_args__ = (
        CheckConstraint("char_length(question) BETWEEN 1 AND 500", name="question"),
        CheckConstraint("char_length(answer) BETWEEN 1 AND 20000", name="answer"),
        CheckConstraint("array_position(tags, NULL) IS NULL", name="tags"),
    )


make_searchable(Faq.__table__, {"question": "A", "answer": "B"})
Index("ix_faqs_product_id", Faq.product_id, postgresql_where=text("product_id IS NOT NULL"))
Index("ix_faqs_tags", Faq.tags, postgresql_using="gin")
Index("ix_faqs_created_at", Faq.created_at, Faq.id)
