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
    """Check that the process runs.

    The database is not asked.
    """
    return respond({"status": "ok"})


@blueprint.get("/readyz")
@allow(None)
@answers(StatusSchema, problems=(*UNAVAILABLE, SchemaMismatch))
def readyz() -> Response:
    """Check that the service can work.

    Returns 503 if the database cannot be reached, or if its schema is not the one of this version.
    """
    check_ready(current_app.extensions["database"])
    return respond({"status": "ready"})
