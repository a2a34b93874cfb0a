"""People and programs that claim and work off tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

from app.api.kit import bodies, context
from app.api.kit.access import allow_callers_of
from app.api.kit.authentication import forget_after_changes
from app.api.kit.contract import answers
from app.api.kit.dumper import Dumper
from app.api.kit.resources import add_routes
from app.api.kit.responses import expected_versions, respond_with
from app.api.schemas.agents import AgentDeactivationSchema, AgentSchema
from app.services import AgentService

if TYPE_CHECKING:
    from uuid import UUID

    from flask import Response

blueprint = Blueprint("agents", __name__)
forget_after_changes(blueprint)
_dump, _deactivation = Dumper(AgentSchema), AgentDeactivationSchema()

add_routes(blueprint, AgentService, AgentSchema)


@blueprint.post("/agents/<id:key>/deactivate")
@allow_callers_of(AgentService, "deactivate")
@answers(AgentSchema, body=AgentDeactivationSchema)
def deactivate(key: UUID) -> Response:
    """Deactivate an agent.

    Its open conversations and its tasks go to the agent in `reassign_to`. Without one, nobody has
    the conversations, and any agent of the queue may claim the tasks.
    """
    heir = bodies.load(_deactivation, empty_is_object=True)["reassign_to"]
    service = context.service(AgentService)
    agent = service.deactivate(key, reassign_to=heir, expected=expected_versions())
    return respond_with(_dump.one(agent))
