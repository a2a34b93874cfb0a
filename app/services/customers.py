from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.models import Customer
from app.repositories import CustomerRepository, TaskRepository
from app.services.base import ResourceService
from app.services.bulk import BulkService

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from sqlalchemy import Connection


@dataclass(frozen=True, kw_only=True)
class CustomerService(BulkService, ResourceService[Customer]):
    repository: CustomerRepository = CustomerRepository()
    tasks: TaskRepository = TaskRepository()

    def visible_to_agent(self, connection: Connection, keys: Collection[UUID]) -> Collection[UUID]:
        return self.tasks.customers_of(connection, self.agent_id, keys)
