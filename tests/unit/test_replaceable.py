"""Services name their repositories as fields: one over another storage can take their place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from app.db import Database
from app.errors import InUse, NotDeleted, NotFound, VersionMismatch
from app.models import Customer
from app.repositories import EventRepository, NewEvent, Page, Query, Total
from app.services import ResourceService

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from app.repositories import Record
    from app.repositories.base import Changes
    from app.services.ports import ResourceRepository


class Nowhere:
    """Opens units of work on nothing."""

    @contextmanager
    def connect(self, **_: object) -> Iterator[Nowhere]:
        yield self

    session = connect

    def connection(self) -> Nowhere:
        return self

    def again(self, attempt: Callable[[], Any]) -> Any:
        return attempt()


class Remembered(EventRepository):
    def __init__(self) -> None:
        self.added: list[NewEvent] = []

    def add_many(self, connection: Any, events: Sequence[NewEvent]) -> None:
        self.added.extend(events)


class InMemory:
    """Customers in a dictionary."""

    model = Customer

    def __init__(self) -> None:
        self.rows: dict[UUID, Customer] = {}

    def get(self, session: Any, key: Any, *, lock: bool = False) -> Customer | None:
        found = self.rows.get(key)
        return found if found is not None and found.deleted_at is None else None

    def find(self, session: Any, **filters: Any) -> Customer | None:
        live = (row for key in self.rows if (row := self.get(session, key)))
        fits = (r for r in live if all(getattr(r, name) == v for name, v in filters.items()))
        return next(fits, None)

    def add(self, session: Any, entity: Customer) -> Customer:
        entity.id, entity.version = uuid7(), 1
        self.rows[entity.id] = entity
        return entity

    def update(
        self,
        session: Any,
        entity: Customer,
        values: Mapping[str, Any],
        *,
        expected: Collection[int] | None = None,
    ) -> Changes:
        if expected is not None and entity.version not in expected:
            raise VersionMismatch
        changes = {n: (getattr(entity, n), v) for n, v in values.items() if getattr(entity, n) != v}
        for name, (_, value) in changes.items():
            setattr(entity, name, value)
        entity.version += bool(changes)
        return changes

    def record(self, connection: Any, key: Any, *, include_deleted: bool = False) -> Record | None:
        found = self.rows.get(key) if include_deleted else self.get(connection, key)
        if found is None:
            return None
        return {c.key: getattr(found, c.key) for c in Customer.__table__.c}

    def by_id(self, connection: Any, keys: Collection[Any]) -> dict[Any, Record]:
        found = {key: self.record(connection, key) for key in keys}
        return {key: row for key, row in found.items() if row is not None}

    def records(self, connection: Any, query: Query) -> Page[Record]:
        found = (self.record(connection, key) for key in self.rows)
        return Page([row for row in found if row], None)

    def total(self, connection: Any, query: Query) -> Total:
        return Total(len(self.records(connection, query).items), is_estimate=False)

    def exists(self, connection: Any, key: Any) -> bool:
        return self.get(connection, key) is not None

    def soft_delete(
        self, connection: Any, key: Any, *, expected: Collection[int] | None = None
    ) -> Record | None:
        if (found := self.get(connection, key)) is None:
            return None
        found.deleted_at = datetime.now(UTC)
        return self.record(connection, key, include_deleted=True)

    def restore(
        self, connection: Any, key: Any, *, expected: Collection[int] | None = None
    ) -> Record | None:
        found = self.rows.get(key)
        if found is None or found.deleted_at is None:
            return None
        found.deleted_at = None
        return self.record(connection, key)

    def dependants(self, connection: Any, key: Any) -> list[str]:
        return ["accounts"] if self.rows[key].reference == "rich" else []

    def missing_references(self, connection: Any, values: Mapping[str, Any]) -> list[str]:
        return []


def test_a_service_runs_on_a_repository_of_its_own_without_a_database() -> None:
    """Its rules and its events are the same; only where the rows are differs."""
    repository: ResourceRepository[Customer] = InMemory()
    events = Remembered()
    database = cast("Database", Nowhere())
    customers = ResourceService[Customer].as_system(database, repository=repository, events=events)
    created = customers.create({"reference": "A", "name": "Ann", "attributes": {"a": 1}})
    assert customers.find(reference="A") is created
    updated = customers.update(created.id, {"attributes": {"b": 2}}, expected=[1])
    assert updated.attributes == {"a": 1, "b": 2}
    with pytest.raises(VersionMismatch):
        customers.update(created.id, {"name": "Bea"}, expected=[1])
    customers.remove(created.id)
    with pytest.raises(NotFound):
        customers.get(created.id)
    customers.restore(created.id)
    with pytest.raises(NotDeleted):
        customers.restore(created.id)
    rich = customers.create({"reference": "rich", "name": "x"})
    with pytest.raises(InUse):
        customers.remove(rich.id)
    page, total = customers.page(Query(), total=True)
    assert (len(page.items), total) == (2, Total(2, is_estimate=False))
    actions = [event.action for event in events.added]
    assert actions == ["created", "updated", "deleted", "restored", "created"]
