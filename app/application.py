"""Builds the application from its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from app import api, cli
from app.administration import EMBEDDED, MIGRATIONS
from app.db import Database, EngineOptions, Timeouts, violations
from app.db.errors import DatabaseUnreachable
from app.embedded import EmbeddedServer, EmbeddedServerError
from app.errors import AlreadyExists
from app.models import Base
from app.services import Authenticator, RateLimiter
from app.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.services.kit.identity import Authenticates


_REPLICA_MAX_LAG = 30.0  # seconds


def build(settings: Settings | None = None) -> Flask:
    """The application. Opens no connection; raises SettingsError."""
    settings = settings or Settings.from_environment()
    app = Flask(__name__, static_folder=None)
    if hops := settings.trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign] # as Flask documents it
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    database = create_database(settings)
    app.extensions["settings"] = settings
    app.extensions["database"] = database
    authenticator: Authenticates = Authenticator(
        database, remember=settings.token_cache, wrong_token_rate=settings.wrong_token_rate
    )
    app.extensions["authenticator"] = authenticator
    app.extensions["rate_limiter"] = RateLimiter(database, rate=settings.rate_limit)
    app.teardown_appcontext(lambda _: database.abandon())
    api.register(app)
    cli.register(app)
    return app


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
