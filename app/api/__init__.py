"""HTTP: routes, strict input, problem+json. It calls services only.

Every module here that has a `blueprint` is served: a new resource is listed nowhere.
From the repositories it reads which filters and sorts a list has; it never gives them a handle.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from werkzeug.routing import BaseConverter

from app.api.kit import hooks, idempotency, problems

if TYPE_CHECKING:
    from flask import Blueprint, Flask


class IdConverter(BaseConverter):
    """A canonical UUID; a path with anything else in its place does not exist.

    The pattern says it all: where `to_python` refuses, other methods would be 405, not 404.
    """

    regex: ClassVar[str] = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"  # type: ignore[misc] # werkzeug declares it on the instance

    def to_python(self, value: str) -> UUID:
        return UUID(value)


def register(app: Flask) -> None:
    app.url_map.converters["id"] = IdConverter
    app.url_map.merge_slashes = False
    hooks.register(app)
    problems.register(app)
    for blueprint in _blueprints():
        app.register_blueprint(blueprint, url_prefix=blueprint.url_prefix or "/v1")
    idempotency.register(app)


def _blueprints() -> list[Blueprint]:
    """Those of all modules here. Modules may share one: it then has the routes of all of them."""
    names = [found.name for found in iter_modules(__path__) if not found.ispkg]
    modules = [import_module(f"{__name__}.{name}") for name in names]
    found = {module.blueprint: None for module in modules if hasattr(module, "blueprint")}
    return list(found)
