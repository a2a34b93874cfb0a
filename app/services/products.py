from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from app.models import Product
from app.repositories import ProductRepository
from app.services.bulk import BulkService
from app.services.resources import ResourceService


@dataclass(frozen=True, kw_only=True)
class ProductService(BulkService, ResourceService[Product]):
    repository: ProductRepository = ProductRepository()
    open_to_agents: ClassVar[bool] = True
