from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from flask import Blueprint

from app.api import bodies, context
from app.api.access import ADMINS, allow
from app.api.contract import answers
from app.api.dumper import Dumper
from app.api.resources import add_routes, location_of
from app.api.responses import respond_with
from app.api.schemas.tokens import IssuedTokenSchema, TokenSchema
from app.api.users import look_up_again
from app.services import TokenService

if TYPE_CHECKING:
    from flask import Response

blueprint = Blueprint("tokens", __name__)
_schema, _dump = TokenSchema(), Dumper(TokenSchema)

add_routes(
    blueprint,
    cast("Any", TokenService),  # it has the verbs of these routes alone
    TokenSchema,
    read=ADMINS,
    write=ADMINS,
    only=("list", "read", "delete"),
)


@blueprint.post("/tokens")
@allow(ADMINS)
@answers(IssuedTokenSchema, status=201, body=TokenSchema)
def create() -> Response:
    """The only answer that holds the token itself."""
    token, secret = context.service(TokenService).issue(bodies.load(_schema))
    body = {**_dump.one(token), "token": secret}
    return respond_with(body, 201, location_of("tokens", token.id))


blueprint.after_request(look_up_again)
