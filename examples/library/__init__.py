"""A lending library: books, members, loans and reservations, on the data layer `unitwork` alone."""

import os

from flask import Flask
from unitwork import Database
from unitwork.listing import Cursors

from library import api, commands, http
from library.database import open_database


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
    http.register_errors(app)
    return app
