from __future__ import annotations

from app.models import Product
from app.repositories.base import Repository
from app.repositories.criteria import filters_on
from app.repositories.full_text import FullText
from app.repositories.pages import sorts_on


class ProductRepository(Repository[Product]):
    model = Product
    filters = filters_on(
        Product.sku,
        Product.name,
        Product.currency,
        Product.is_active,
        Product.created_at,
        Product.updated_at,
    )
    sorts = sorts_on(Product.created_at, Product.updated_at, Product.sku, Product.name)
    searched = FullText(Product.name, Product.description)
