"""Members of the staff, who can log in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, g

from app.api.kit import bodies, context
from app.api.kit.access import allow, allow_callers_of
from app.api.kit.authentication import forget_after_changes
from app.api.kit.contract import answers
from app.api.kit.dumper import Dumper
from app.api.kit.resources import add_routes
from app.api.kit.responses import respond, respond_with
from app.api.schemas.agents import AgentSchema
from app.api.schemas.users import DeactivatedSchema, DeactivationSchema, UserSchema
from app.domain.actors import ActorKind
from app.domain.users import LastAdmin
from app.services import AgentService, UserService
from app.services.kit.permissions import roles_of

if TYPE_CHECKING:
    from flask import Response

blueprint = Blueprint("users", __name__)
forget_after_changes(blueprint)
_deactivation = DeactivationSchema()
_dump, _dump_agent = Dumper(UserSchema), Dumper(AgentSchema)

add_routes(
    blueprint,
    UserService,
    UserSchema,
    problems={"update": (LastAdmin,), "delete": (LastAdmin,)},
)


@blueprint.post("/users/deactivate")
@allow_callers_of(UserService, "deactivate")
@answers(DeactivatedSchema, body=DeactivationSchema, problems=(LastAdmin,))
def deactivate() -> Response:
    """Deactivate users.

    Returns how many of them were active. Their tokens are refused from now on.
    """
    ids = bodies.load(_deactivation)["ids"]
    return respond({"deactivated": context.service(UserService).deactivate(ids)})


@blueprint.get("/me")
@allow(roles_of(UserService, "me") | roles_of(AgentService, "me"))
@answers(UserSchema, AgentSchema)
def me() -> Response:
    """Read the user or agent who sends the request.

    It is the one to whom the token belongs.
    """
    if g.actor.kind is ActorKind.AGENT:
        return respond_with(_dump_agent.one(context.service(AgentService).me()))
    return respond_with(_dump.one(context.service(UserService).me()))
