"""The same program, written with Core methods and with ORM methods, leaves the same database."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, update

from app.models import Customer
from app.repositories import CustomerRepository
from app.services import CustomerService

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from app.db import Database, Record
    from app.db.repository.writing import Changes

TABLE = Customer.__table__


class ByCore(CustomerRepository):
    """Writes by Core what the base writes by the ORM."""

    def add(self, session: Session, entity: Customer) -> Customer:
        values = {c.key: v for c in TABLE.c if (v := getattr(entity, c.key)) is not None}
        [key] = self.insert_many(session.connection(), [values])
        found = self.get(session, key)
        assert found is not None
        return found

    def update(
        self,
        session: Session,
        entity: Customer,
        values: Mapping[str, Any],
        *,
        expected: Collection[int] | None = None,
    ) -> Changes:
        changes = {n: (getattr(entity, n), v) for n, v in values.items() if getattr(entity, n) != v}
        statement = update(TABLE).where(TABLE.c.id == entity.id).values(**values)
        session.connection().execute(statement)
        return changes


class ByOrm(CustomerRepository):
    """Deletes and restores by the ORM what the base does by Core."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def soft_delete(
        self, connection: Connection, key: Any, *, expected: Collection[int] | None = None
    ) -> Record | None:
        return self._set(connection, key, deleted=True)

    def restore(
        self,
        connection: Connection,
        key: Any,
        values: Mapping[str, Any] = MappingProxyType({}),
        *,
        expected: Collection[int] | None = None,
    ) -> Record | None:
        assert not values
        return self._set(connection, key, deleted=False)

    def _set(self, connection: Connection, key: Any, *, deleted: bool) -> Record | None:
        with self.database.session() as session:
            found = self.get(session, key, lock=True, include_deleted=True)
            assert found is not None
            found.deleted_at = func.now() if deleted else None
            session.flush()
            return self.record(connection, key, include_deleted=True)


def program(customers: CustomerService) -> None:
    ann = customers.create({"reference": "A", "name": "Ann", "attributes": {"vip": True}}).id
    ben = customers.create({"reference": "B", "name": "Ben", "email": "ben@x.example"}).id
    customers.update(ann, {"name": "Anna", "attributes": {"vip": None, "tier": 2}})
    customers.update(ann, {"name": "Anna"})
    customers.update(ben, {"email": None})
    customers.remove(ben)
    customers.restore(ben)
    customers.remove(ann)


def test_the_same_rows_versions_and_events(
    database: Database,
    empty: Callable[[], None],
    sql: Callable[..., list[tuple[Any, ...]]],
) -> None:
    """Whichever way a method is written, nobody can tell afterwards."""
    left = []
    for repository in (CustomerRepository(), ByCore(), ByOrm(database)):
        empty()
        program(CustomerService.as_system(database, repository=repository))
        left.append(
            sql(
                "SELECT reference, name, email, attributes, version, deleted_at IS NOT NULL,"
                " updated_at > created_at FROM customers ORDER BY reference"
            )
            + sql(
                "SELECT c.reference, e.action, e.object_type,"
                " (SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys(e.changes) k),"
                " p.changes FROM events e JOIN customers c ON c.id = e.object_id"
                " LEFT JOIN event_personal_values p ON p.event_id = e.id ORDER BY e.id"
            )
        )
    assert left[0] == left[1] == left[2]
    assert len(left[0]) == 2 + 7
