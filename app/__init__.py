"""Caseload: the system of record behind a support desk at a regulated firm."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from app.settings import Settings


def create_app(settings: Settings | None = None) -> Flask:
    """The application. Opens no connection; raises SettingsError."""
    from app.application import build  # noqa: PLC0415 - importing `app.db` loads nothing of this

    return build(settings)


def create_command_app() -> Flask:
    """An application with commands only; the command that is called loads what it needs."""
    from app import cli  # noqa: PLC0415 - same
    from app.flask_application import Application  # noqa: PLC0415 - same

    app = Application(__name__)
    cli.register(app, _load)
    return app


def _load(app: Flask) -> None:
    from app.application import load  # noqa: PLC0415 - `flask --help` does without
    from app.environment import exit_on_mistake  # noqa: PLC0415 - same

    with exit_on_mistake():
        load(app)
