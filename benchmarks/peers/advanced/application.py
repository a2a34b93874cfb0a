"""Flask with advanced-alchemy's repositories and services, and pydantic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask
from pydantic import ValidationError
from sqlalchemy import text

from benchmarks.peers.advanced import customers, tasks, transactions
from benchmarks.peers.advanced.session import alchemy, session
from benchmarks.peers.common.actors import OWNER, Actor
from benchmarks.peers.common.flask_edge import prepare, problem
from benchmarks.peers.common.refusals import Refused, invalid
from benchmarks.peers.common.schemas import pointers_in

if TYPE_CHECKING:
    from flask import Response

_OWNER = text(OWNER.format(hash=":hash"))


def find_owner(token_hash: bytes) -> Actor | None:
    row = session().execute(_OWNER, {"hash": token_hash}).one_or_none()
    return None if row is None else Actor(*row)


def wrong(error: ValidationError) -> Response:
    errors = error.errors()
    if any(each["type"] == "json_invalid" for each in errors):
        return problem(Refused(400, "malformed-json"))
    return problem(invalid(pointers_in(errors)))


app = Flask(__name__)
alchemy.init_app(app)
prepare(app, find_owner)
app.register_error_handler(ValidationError, wrong)
for module in (customers, transactions, tasks):
    app.register_blueprint(module.blueprint)
