from __future__ import annotations

from flask import Blueprint

from app.api.access import READERS, READERS_AND_AGENTS, WRITERS
from app.api.bulk import add_bulk_route
from app.api.resources import add_routes
from app.api.schemas.customers import CustomerSchema
from app.services import CustomerService

blueprint = Blueprint("customers", __name__)

add_routes(
    blueprint,
    CustomerService,
    CustomerSchema,
    read=READERS_AND_AGENTS,
    list_=READERS,
    write=WRITERS,
)
add_bulk_route(blueprint, CustomerService, CustomerSchema, write=WRITERS)
