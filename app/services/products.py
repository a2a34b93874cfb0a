from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from app.models.products import Product
from app.repositories.products import ProductRepository
from app.services.kit.bulk import BulkService
from app.services.kit.permissions import READERS_AND_AGENTS, WRITERS, Roles
from app.services.kit.resources import ResourceService


@dataclass(frozen=True, kw_only=True)
class ProductService(BulkService, ResourceService[Product]):
    readers: ClassVar[Roles] = READERS_AND_AGENTS
    listers: ClassVar[Roles] = READERS_AND_AGENTS
    writers: ClassVar[Roles] = WRITERS
    repository: ProductRepository = ProductRepository()
    open_to_agents: ClassVar[bool] = True
