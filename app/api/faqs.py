"""Frequent questions with their answers, which agents can search."""

from __future__ import annotations

from flask import Blueprint

from app.api.kit.bulk import add_bulk_route
from app.api.kit.resources import add_routes
from app.api.schemas.faqs import FaqSchema
from app.services import FaqService

blueprint = Blueprint("faqs", __name__)

add_routes(blueprint, FaqService, FaqSchema)
add_bulk_route(blueprint, FaqService, FaqSchema)
