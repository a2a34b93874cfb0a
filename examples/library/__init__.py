"""A lending library: books, members, loans and reservations, on the data layer `unitwork` alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from flask import Flask
from unitwork.listing import Cursors

from library import api, commands, problems
from library.database import open_database

if TYPE_CHECKING:
    from unitwork import Database


def create_app(database: Database | None = None, secret: str | None = None) -> Flask:
    """The application. It opens no connection.

    It reads DATABASE_URL and SECRET_KEY unless a database and a secret are given. The secret seals
    cursors.
    """
    app = Flask(__name__)
    database = database or open_database(os.environ["DATABASE_URL"])
    app.extensions["database"] = database
    app.extensions["cursors"] = Cursors(secret or os.environ["SECRET_KEY"])
    app.teardown_appcontext(lambda _: database.abandon())
    app.register_blueprint(api.blueprint)
    app.register_blueprint(commands.blueprint)
    problems.register(app)
    return app
