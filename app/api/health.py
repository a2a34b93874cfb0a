from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, current_app

from app.api.access import allow
from app.api.responses import respond
from app.services.readiness import check_ready

if TYPE_CHECKING:
    from flask import Response

blueprint = Blueprint("health", __name__)


@blueprint.get("/livez")
@allow(None)
def livez() -> Response:
    """The process answers; it asks nothing of the database."""
    return respond({"status": "ok"})


@blueprint.get("/readyz")
@allow(None)
def readyz() -> Response:
    """The database is reachable and its schema is the one this code knows; else 503."""
    check_ready(current_app.extensions["database"])
    return respond({"status": "ready"})
