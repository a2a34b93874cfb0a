from __future__ import annotations

from app.models import Faq
from app.repositories.base import Repository
from app.repositories.criteria import filters_on
from app.repositories.full_text import FullText
from app.repositories.pages import sorts_on


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
