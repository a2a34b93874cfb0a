"""FAQs, and the search in them."""

from __future__ import annotations

from app.db import Repository, filters_on, sorts_on
from app.db.repository.search.full_text import FullText
from app.models import Faq


class FaqRepository(Repository[Faq]):
    model = Faq
    filters = filters_on(
        Faq.question,
        Faq.product_id,
        Faq.tags,
        Faq.is_published,
        Faq.created_at,
        Faq.updated_at,
    )
    sorts = sorts_on(Faq.created_at, Faq.updated_at, Faq.question)
    searched = FullText(Faq.question, Faq.answer)
