from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeVar

from app.db import Query, Sort, retry
from app.models import Customer
from app.repositories import CustomerRepository, TaskRepository
from app.services.kit.bulk import BulkService
from app.services.kit.permissions import (
    READERS,
    READERS_AND_AGENTS,
    SYSTEM_ONLY,
    WRITERS,
    Roles,
    allowed,
)
from app.services.kit.resources import ResourceService

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from uuid import UUID

    from sqlalchemy import Connection

    from app.db import Record

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class CustomerService(BulkService, ResourceService[Customer]):
    readers: ClassVar[Roles] = READERS_AND_AGENTS
    listers: ClassVar[Roles] = READERS
    writers: ClassVar[Roles] = WRITERS
    repository: CustomerRepository = CustomerRepository()
    tasks: TaskRepository = TaskRepository()

    @allowed(SYSTEM_ONLY)
    @retry
    def read_all(self, read: Callable[[Iterator[Record]], T]) -> T:
        """What `read` returns for all live customers, the oldest first, in one snapshot.

        They are streamed in constant memory. After a conflict `read` is called again.
        """
        with self.database.connect(read_only=True, isolation="REPEATABLE READ") as connection:
            return read(self.repository.stream(connection, Query(sort=(Sort("created_at"),))))

    def visible_to_agent(self, connection: Connection, keys: Collection[UUID]) -> Collection[UUID]:
        return self.tasks.customers_of(connection, self.agent_id, keys)
