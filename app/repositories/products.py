"""Products, and the search in them."""

from __future__ import annotations

from app.db import Repository, filters_on, sorts_on
from app.db.repository.search.full_text import FullText
from app.models.products import Product


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
