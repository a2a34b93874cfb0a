"""Products of the firm, which agents can search."""

from __future__ import annotations

from flask import Blueprint

from app.api.kit.bulk import add_bulk_route
from app.api.kit.resources import add_routes
from app.api.schemas.products import ProductSchema
from app.services.products import ProductService

blueprint = Blueprint("products", __name__)

add_routes(blueprint, ProductService, ProductSchema)
add_bulk_route(blueprint, ProductService, ProductSchema)
