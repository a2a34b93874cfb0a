"""Builds the application from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.middleware.proxy_fix import ProxyFix

from app import cli
from app.administration import EMBEDDED, MIGRATIONS
from app.db import Database, EngineOptions, Timeouts, violations
from app.db.errors import DatabaseUnreachable
from app.embedded import EmbeddedServer, EmbeddedServerError
from app.errors import AlreadyExists
from app.flask_application import Application
from app.models import Base
from app.services import Authenticator, RateLimiter
from app.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from app.services.kit.identity import Authenticates


_REPLICA_MAX_LAG = 30.0  # seconds


def build(settings: Settings | None = None) -> Flask:
    """The application. Opens no connection; raises SettingsError."""
    app = Application(__package__)
    load(app, settings)
    add_routes(app)
    cli.register(app, load)
    return app


def load(app: Flask, settings: Settings | None = None) -> None:
    """Add settings, database and services to the application, once; raises SettingsError."""
    if "settings" in app.extensions:
        return
    settings = settings or Settings.from_environment()
    database = create_database(settings)
    app.extensions["settings"] = settings
    app.extensions["database"] = database
    authenticator: Authenticates = Authenticator(
        database, remember=settings.token_cache, wrong_token_rate=settings.wrong_token_rate
    )
    app.extensions["authenticator"] = authenticator
    app.extensions["rate_limiter"] = RateLimiter(database, rate=settings.rate_limit)
    app.teardown_appcontext(lambda _: database.abandon())


def add_routes(app: Flask) -> None:
    """Add the routes to an application that `load` has prepared, once."""
    from app import api  # noqa: PLC0415 - commands do without

    if app.blueprints:
        return
    settings: Settings = app.extensions["settings"]
    if hops := settings.trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign] # as Flask documents it
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    api.register(app)


def create_database(settings: Settings) -> Database:
    return Database(
        settings.database_url or _embedded(settings),
        replica_url=settings.replica_url,
        replica_max_lag=_REPLICA_MAX_LAG,
        violations=violations(Base.metadata, not_unique=AlreadyExists),
        timeouts=Timeouts(
            statement=settings.statement_timeout,
            lock=settings.lock_timeout,
            idle=settings.idle_timeout,
        ),
        options=EngineOptions(
            pool_size=settings.pool_size,
            pool_timeout=settings.pool_timeout,
            connect_timeout=settings.connect_timeout,
        ),
    )


def _embedded(settings: Settings) -> Callable[[], str]:
    server = EmbeddedServer(settings.data_dir, EMBEDDED, prepare=MIGRATIONS.upgrade)

    def url() -> str:
        try:
            return server.url()
        except EmbeddedServerError as error:
            raise DatabaseUnreachable(str(error)) from error

    return url
