"""Flask-SQLAlchemy with flask-smorest, as their documentation shows."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask
from flask_smorest import Api
from sqlalchemy import text

from benchmarks.peers.common.actors import OWNER, Actor
from benchmarks.peers.common.flask_edge import prepare, problem
from benchmarks.peers.common.refusals import Refused, invalid, pointers_of
from benchmarks.peers.smorest import customers, tasks, transactions
from benchmarks.peers.smorest.models import db

_OWNER = text(OWNER.format(hash=":hash"))


class ProblemApi(Api):
    """Its errors are problems."""

    def handle_http_exception(self, error: Any) -> Any:
        messages = (getattr(error, "data", None) or {}).get("messages", {})
        if error.code == 422:
            return problem(invalid(pointers_of(messages.get("json", {}))))
        return problem(Refused(error.code, "malformed-json" if error.code == 400 else "not-found"))


def find_owner(token_hash: bytes) -> Actor | None:
    row = db.session.execute(_OWNER, {"hash": token_hash}).one_or_none()
    return None if row is None else Actor(*row)


app = Flask(__name__)
app.config.update(
    API_TITLE="Desk",
    API_VERSION="v1",
    OPENAPI_VERSION="3.1.0",
    SQLALCHEMY_DATABASE_URI=os.environ["DATABASE_URL"].replace("://", "+psycopg2://", 1),
    SQLALCHEMY_ENGINE_OPTIONS={
        "pool_size": 4,
        "connect_args": {"options": "-c TimeZone=UTC"},
    },
)
db.init_app(app)
with app.app_context():
    # After COMMIT the objects are only dumped: loading them again would be a wasted statement.
    db.session.configure(expire_on_commit=False)
prepare(app, find_owner)
api = ProblemApi(app)
for module in (customers, transactions, tasks):
    api.register_blueprint(module.blueprint)
