from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from sqlalchemy import insert, select, tuple_

from benchmarks.peers.common import schemas
from benchmarks.peers.common.cursors import cursor_of, link_to, place_of
from benchmarks.peers.common.events import CUSTOMER_FIELDS, event_of, first_values
from benchmarks.peers.common.refusals import Refused
from benchmarks.peers.fast.models import Customer, Event, PersonalValues, add_event
from benchmarks.peers.fast.session import Caller, Session

router = APIRouter(prefix="/v1/customers")


@router.get("", response_model=schemas.CustomerPage)
async def page(
    session: Session, _: Caller, query: Annotated[schemas.PageQuery, Query()], response: Response
) -> Any:
    statement = (
        select(Customer)
        .where(Customer.deleted_at.is_(None))
        .order_by(Customer.created_at.desc(), Customer.id.desc())
        .limit(query.limit + 1)
    )
    if query.cursor is not None:
        place = tuple_(Customer.created_at, Customer.id)
        statement = statement.where(place < place_of(query.cursor))
    found = (await session.scalars(statement)).all()
    items, cursor = found[: query.limit], None
    if len(found) > len(items):
        cursor = cursor_of(items[-1].created_at, items[-1].id)
        response.headers["Link"] = link_to("/v1/customers", query.limit, cursor)
    return {"items": items, "next_cursor": cursor}


@router.post("", status_code=201, response_model=schemas.Customer)
async def create(
    session: Session, caller: Caller, body: schemas.NewCustomer, response: Response
) -> Any:
    caller[0].require_writer()
    customer = Customer(**body.model_dump())
    session.add(customer)
    await session.flush()
    add_event(session, caller, "created", customer, first_values(customer, CUSTOMER_FIELDS))
    await session.commit()
    response.headers["ETag"] = f'"{customer.version}"'
    response.headers["Location"] = f"/v1/customers/{customer.id}"
    return customer


@router.post("/bulk", status_code=201, response_model=schemas.Customers)
async def create_many(session: Session, caller: Caller, body: schemas.NewCustomers) -> Any:
    """By the ORM's bulk INSERT."""
    caller[0].require_writer()
    adding = insert(Customer).returning(Customer, sort_by_parameter_order=True)
    rows = [item.model_dump() for item in body.items]
    customers = (await session.scalars(adding, rows)).all()
    events = [
        event_of(caller, "created", customer, first_values(customer, CUSTOMER_FIELDS))
        for customer in customers
    ]
    await session.execute(insert(Event), [event for event, _ in events])
    personal = [{"event_id": event["id"], "changes": changes} for event, changes in events]
    await session.execute(insert(PersonalValues), personal)
    await session.commit()
    return {"items": customers}


@router.get("/{key}", response_model=schemas.Customer)
async def get(session: Session, _: Caller, key: UUID, response: Response) -> Any:
    customer = await session.get(Customer, key)
    if customer is None or customer.deleted_at is not None:
        raise Refused(404, "not-found")
    response.headers["ETag"] = f'"{customer.version}"'
    return customer
