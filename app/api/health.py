"""Whether the process runs, and whether it can work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, current_app

from app.api.kit.access import allow
from app.api.kit.contract import UNAVAILABLE, answers
from app.api.kit.responses import respond
from app.api.schemas.health import StatusSchema
from app.services.readiness import SchemaMismatch, check_ready

if TYPE_CHECKING:
    from flask import Response

blueprint = Blueprint("health", __name__, url_prefix="/")


@blueprint.get("/livez")
@allow(None)
@answers(StatusSchema)
def livez() -> Response:
    """The process answers; it asks nothing of the database."""
    return respond({"status": "ok"})


@blueprint.get("/readyz")
@allow(None)
@answers(StatusSchema, problems=(*UNAVAILABLE, SchemaMismatch))
def readyz() -> Response:
    """The database is reachable and its schema is the one this code knows; else 503."""
    check_ready(current_app.extensions["database"])
    return respond({"status": "ready"})
