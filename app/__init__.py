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
