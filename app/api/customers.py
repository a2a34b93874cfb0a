"""The people and firms that the desk serves."""

from __future__ import annotations

from flask import Blueprint

from app.api.kit.bulk import add_bulk_route
from app.api.kit.resources import add_routes
from app.api.schemas.customers import CustomerSchema
from app.services import CustomerService

blueprint = Blueprint("customers", __name__)

add_routes(blueprint, CustomerService, CustomerSchema)
add_bulk_route(blueprint, CustomerService, CustomerSchema)
