"""The events that an INSERT of many rows writes are those that a service makes of records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from uuid_utils.compat import uuid7

from app.models import Base, Customer, Faq, Product, Task
from app.repositories.event_fields import fields_in_events
from app.repositories.new_row_events import Creation, events_along
from app.services import (
    BulkAdds,
    CustomerService,
    FaqService,
    ProductService,
    TaskBatchService,
)
from app.services.kit.changes import first_values

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db import Database, Resource

    Sql = Callable[..., list[tuple[Any, ...]]]

ODD = "é \\ \" ' %% \u2028 \U0001f600 \x7f"
JSON = {"a": [1, 2.5, -0.5, 1e10, None, True, "", ODD], "b": {"c": {}}, "": 0}
AT = datetime(2026, 11, 27, 12, 0, 0, tzinfo=timezone(timedelta(hours=2)))
ROWS: dict[type[Any], list[dict[str, Any]]] = {
    Customer: [
        {"reference": ODD, "name": ODD, "email": "a@x.example", "phone": None, "attributes": JSON},
        {"reference": "B", "name": "b", "phone": "1", "attributes": {}},
    ],
    Product: [
        {"sku": "A", "name": ODD, "description": "", "price": 99_999, "currency": "EUR"},
        {"sku": "B", "name": "b", "price": 0, "currency": "JPY", "is_active": False},
    ],
    Faq: [
        {"question": "?", "answer": ODD, "tags": [], "is_published": True},
        {"question": "?", "answer": "a", "tags": ["x", ODD, '"{},']},
    ],
    Task: [
        {"kind": "x", "queue": "q", "run_after": AT, "input": JSON, "max_attempts": 3},
        {"kind": "x", "queue": "q", "run_after": AT.replace(microsecond=120), "max_attempts": 1},
        {"kind": "x", "queue": "q", "run_after": datetime(1, 1, 2, tzinfo=UTC), "max_attempts": 1},
    ],
}
SERVICES: dict[type[Any], type[BulkAdds[Any]]] = {
    Customer: CustomerService,
    Product: ProductService,
    Faq: FaqService,
    Task: TaskBatchService,
}
EVENTS = """
SELECT to_jsonb(e) - '{id,occurred_at,xid}'::text[], p.changes
FROM events AS e LEFT JOIN event_personal_values AS p ON p.event_id = e.id
WHERE object_type = %s ORDER BY e.id
"""


def test_every_service_of_many_is_here() -> None:
    def below(kind: type[Any]) -> set[type[Any]]:
        return {kind}.union(*map(below, kind.__subclasses__()))

    models = {mapper.class_ for mapper in Base.registry.mappers}
    kinds = [kind for kind in below(BulkAdds) if hasattr(kind, "repository")]
    found = {getattr(kind, "repository").model for kind in kinds}  # noqa: B009 - a field's default
    assert found & models == SERVICES.keys()


@pytest.mark.parametrize("model", ROWS, ids=lambda model: model.__name__)
def test_the_statement_and_the_service_write_the_same(
    database: Database, sql: Sql, model: type[Any]
) -> None:
    service = SERVICES[model].as_system(database, request_id="r")
    keys = [uuid7() for _ in ROWS[model]]
    rows = [{**row, "id": key} for row, key in zip(ROWS[model], keys, strict=True)]
    actor = service.actor
    creation = Creation(actor.kind, actor.id, actor.name, "r", {key: uuid7() for key in keys})
    along = events_along(model, creation)
    with database.connect() as connection:
        records = service.repository.insert_many(connection, rows, returning=True, along=along)
    assert [record["id"] for record in records] == keys
    by_statement = sql(EVENTS, model.__tablename__)
    with database.connect() as connection:
        changes = {record["id"]: first_values(model, record) for record in records}
        versions = {record["id"]: record["version"] for record in records}
        service.record(connection, "created", model, changes, versions=versions)
    assert len(by_statement) == len(keys)
    assert sql(EVENTS, model.__tablename__)[len(keys) :] == by_statement


NEVER_IN_A_NEW_ROW = {
    "claimed_by_id", "lease_token", "lease_seconds", "lease_expires_at", "started_at",
    "completed_at", "progress", "output", "error",
}  # fmt: skip
REFERENCES = {"agent_id", "conversation_id", "parent_id", "product_id"}
KEYS = {"dedupe_key", "dedupe_scope"}


@pytest.mark.parametrize("model", ROWS, ids=lambda model: model.__name__)
def test_every_field_has_a_value_in_some_row(model: type[Resource]) -> None:
    """The comparison would say nothing of the others: ids and texts, as those that it is about."""
    given = {name for row in ROWS[model] for name in row if row[name] is not None}
    by_default = {name for name in fields_in_events(model) if not model.__table__.c[name].nullable}
    compared = given | by_default | REFERENCES | KEYS | NEVER_IN_A_NEW_ROW
    assert set(fields_in_events(model)) <= compared
