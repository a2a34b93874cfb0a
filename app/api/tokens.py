"""Tokens, with which users and agents send requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

from app.api.kit import bodies, context
from app.api.kit.access import allow_callers_of
from app.api.kit.authentication import forget_after_changes
from app.api.kit.contract import answers
from app.api.kit.dumper import Dumper
from app.api.kit.resources import add_delete, add_reads, location_of
from app.api.kit.responses import respond_with
from app.api.schemas.tokens import IssuedTokenSchema, TokenSchema
from app.domain.tokens import NewToken
from app.services import TokenService

if TYPE_CHECKING:
    from flask import Response

blueprint = Blueprint("tokens", __name__)
forget_after_changes(blueprint)
_schema, _dump = TokenSchema(), Dumper(TokenSchema)

add_reads(blueprint, TokenService, TokenSchema)
add_delete(blueprint, TokenService, TokenSchema)


@blueprint.post("/tokens")
@allow_callers_of(TokenService, "issue")
@answers(IssuedTokenSchema, status=201, body=TokenSchema)
def create() -> Response:
    """Create a token.

    Only this response holds the token itself: it cannot be read again.
    """
    token, secret = context.service(TokenService).issue(bodies.load_as(NewToken, _schema))
    body = {**_dump.one(token), "token": secret}
    return respond_with(body, 201, location_of("tokens", token.id))
