from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, request

from app.api import bodies, context
from app.api.access import ADMINS, READERS, allow
from app.api.resources import Dumper, add_routes
from app.api.responses import respond, respond_with
from app.api.schemas.users import DeactivationSchema, UserSchema
from app.services import UserService

if TYPE_CHECKING:
    from flask import Response

blueprint = Blueprint("users", __name__)
_deactivation = DeactivationSchema()
_dump = Dumper(UserSchema)

add_routes(blueprint, UserService, UserSchema, read=ADMINS, write=ADMINS)


@blueprint.post("/users/deactivate")
@allow(ADMINS)
def deactivate() -> Response:
    ids = bodies.load(_deactivation)["ids"]
    return respond({"deactivated": context.service(UserService).deactivate(ids)})


@blueprint.get("/me")
@allow(READERS)
def me() -> Response:
    return respond_with(_dump.one(context.service(UserService).me()))


@blueprint.after_request
def look_up_again(response: Response) -> Response:
    """What this worker remembers of tokens may be wrong now; the others forget it in seconds."""
    if request.method not in ("GET", "HEAD"):
        context.authenticator().forget()
    return response
