from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, g, request
from sqlalchemy import insert, tuple_

from benchmarks.peers.advanced.models import (
    Customer,
    CustomerService,
    Event,
    EventService,
    PersonalValues,
    new_event,
)
from benchmarks.peers.advanced.session import answer, body, service, session
from benchmarks.peers.common import schemas
from benchmarks.peers.common.cursors import cursor_of, link_to, place_of
from benchmarks.peers.common.events import CUSTOMER_FIELDS, event_of, first_values
from benchmarks.peers.common.refusals import Refused

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import ColumnElement

blueprint = Blueprint("customers", __name__, url_prefix="/v1/customers")


@blueprint.get("")
def page() -> Response:
    query = schemas.PageQuery.model_validate(request.args.to_dict())
    customers = service(CustomerService)
    statement = customers.repository.statement.limit(query.limit + 1)
    order = [(Customer.created_at, True), (Customer.id, True)]
    found = customers.get_many(*_after(query.cursor), statement=statement, order_by=order)
    items, cursor, headers = found[: query.limit], None, {}
    if len(found) > len(items):
        cursor = cursor_of(items[-1].created_at, items[-1].id)
        headers["Link"] = link_to(request.path, query.limit, cursor)
    listed = customers.to_schema(items, schema_type=schemas.Customer).items
    return answer(schemas.CustomerPage(items=listed, next_cursor=cursor), headers=headers)


@blueprint.post("")
def create() -> Response:
    g.actor.require_writer()
    customers = service(CustomerService)
    customer = customers.create(body(schemas.NewCustomer).model_dump())
    changes = first_values(customer, CUSTOMER_FIELDS)
    service(EventService).create(new_event("created", customer, changes))
    headers = {"ETag": f'"{customer.version}"', "Location": f"/v1/customers/{customer.id}"}
    return answer(customers.to_schema(customer, schema_type=schemas.Customer), 201, headers)


@blueprint.get("/<uuid:key>")
def get(key: UUID) -> Response:
    customers = service(CustomerService)
    customer = customers.get_one_or_none(id=key, deleted_at=None)
    if customer is None:
        raise Refused(404, "not-found")
    made = customers.to_schema(customer, schema_type=schemas.Customer)
    return answer(made, headers={"ETag": f'"{customer.version}"'})


@blueprint.post("/bulk")
def create_many() -> Response:
    """The customers by the service, their events by SQLAlchemy's bulk INSERT, which is faster."""
    g.actor.require_writer()
    customers = service(CustomerService)
    rows = [item.model_dump() for item in body(schemas.NewCustomers).items]
    made = customers.create_many(rows)
    cause = (g.actor, g.request_id)
    events = [event_of(cause, "created", row, first_values(row, CUSTOMER_FIELDS)) for row in made]
    session().execute(insert(Event), [event for event, _ in events])
    personal = [{"event_id": event["id"], "changes": changes} for event, changes in events]
    session().execute(insert(PersonalValues), personal)
    listed = customers.to_schema(made, schema_type=schemas.Customer).items
    return answer(schemas.Customers(items=listed), 201)


def _after(cursor: str | None) -> list[ColumnElement[bool]]:
    live = Customer.deleted_at.is_(None)
    if cursor is None:
        return [live]
    return [live, tuple_(Customer.created_at, Customer.id) < place_of(cursor)]
