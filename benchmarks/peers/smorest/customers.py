from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import g, request
from flask.views import MethodView
from flask_smorest import Blueprint
from sqlalchemy import insert, select, tuple_

from benchmarks.peers.common.cursors import cursor_of, link_to, place_of
from benchmarks.peers.common.events import CUSTOMER_FIELDS, first_values
from benchmarks.peers.common.refusals import Refused
from benchmarks.peers.smorest.models import (
    Customer,
    Event,
    PersonalValues,
    add_event,
    db,
    new_event,
)
from benchmarks.peers.smorest.schemas import (
    CustomerSchema,
    CustomersSchema,
    NewCustomersSchema,
    PageSchema,
)

blueprint = Blueprint("customers", "customers", url_prefix="/v1/customers")


@blueprint.route("")
class Customers(MethodView):
    @blueprint.arguments(PageSchema, location="query")
    @blueprint.response(200, CustomersSchema)
    def get(self, page: dict[str, Any]) -> Any:
        statement = (
            select(Customer)
            .where(Customer.deleted_at.is_(None))
            .order_by(Customer.created_at.desc(), Customer.id.desc())
            .limit(page["limit"] + 1)
        )
        if page["cursor"] is not None:
            place = tuple_(Customer.created_at, Customer.id)
            statement = statement.where(place < place_of(page["cursor"]))
        found = db.session.scalars(statement).all()
        items, cursor, headers = found[: page["limit"]], None, {}
        if len(found) > len(items):
            cursor = cursor_of(items[-1].created_at, items[-1].id)
            headers["Link"] = link_to(request.path, page["limit"], cursor)
        return {"items": items, "next_cursor": cursor}, 200, headers

    @blueprint.arguments(CustomerSchema)
    @blueprint.response(201, CustomerSchema)
    def post(self, values: dict[str, Any]) -> Any:
        g.actor.require_writer()
        customer = Customer(**values)
        db.session.add(customer)
        db.session.flush()
        changes = first_values(customer, CUSTOMER_FIELDS)
        add_event("created", customer, changes)
        db.session.commit()
        headers = {"ETag": f'"{customer.version}"', "Location": f"/v1/customers/{customer.id}"}
        return customer, 201, headers


@blueprint.route("/<uuid:key>")
class OneCustomer(MethodView):
    @blueprint.response(200, CustomerSchema)
    def get(self, key: UUID) -> Any:
        customer = db.session.get(Customer, key)
        if customer is None or customer.deleted_at is not None:
            raise Refused(404, "not-found")
        return customer, 200, {"ETag": f'"{customer.version}"'}


@blueprint.route("/bulk")
class ManyCustomers(MethodView):
    @blueprint.arguments(NewCustomersSchema)
    @blueprint.response(201, CustomersSchema(only=["items"]))
    def post(self, values: dict[str, Any]) -> Any:
        """By the ORM's bulk INSERT: a statement for each of the three tables."""
        g.actor.require_writer()
        empty = dict.fromkeys(CUSTOMER_FIELDS) | {"attributes": {}}
        adding = insert(Customer).returning(Customer, sort_by_parameter_order=True)
        rows = [empty | item for item in values["items"]]
        customers = db.session.scalars(adding, rows).all()
        events = [
            new_event("created", customer, first_values(customer, CUSTOMER_FIELDS))
            for customer in customers
        ]
        db.session.execute(insert(Event), [event for event, _ in events])
        personal = [{"event_id": event["id"], "changes": changes} for event, changes in events]
        db.session.execute(insert(PersonalValues), personal)
        db.session.commit()
        return {"items": customers}
