"""The whole document: every route of the application, and nothing else."""

from __future__ import annotations

import sys
from inspect import getdoc
from typing import TYPE_CHECKING

from flask import current_app

from app.api.kit.context import settings
from app.api.kit.openapi import parameters, problems
from app.api.kit.openapi.links import add_links
from app.api.kit.openapi.operations import operation_of
from app.api.kit.openapi.routes import routes
from app.api.kit.openapi.schemas import Schemas

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.api.kit.components import Shape
    from app.api.kit.openapi.about import About


def build(about: About) -> Shape:
    """The OpenAPI document of the current application, as JSON-able objects."""
    schemas = Schemas(about.title, about.version)
    _add_components(schemas, about)
    found = sorted(routes(), key=lambda route: (route.path, route.method))
    for route in found:
        operation = operation_of(route, schemas, about.problem_types)
        schemas.spec.path(route.path, operations={route.method.lower(): operation})
    document: Shape = schemas.spec.to_dict()
    document["info"]["description"] = about.description
    document["tags"] = _tags(about.tags, {route.tag for route in found})
    add_links(document)
    return {**document, "servers": [{"url": "/"}], "security": [{"token": []}]}


def _add_components(schemas: Schemas, about: About) -> None:
    for name, shape in problems.components(about.problem_facts).items():
        schemas.add(name, shape)
    components = schemas.spec.components
    bearer = {"type": "http", "scheme": "bearer", "description": about.token}
    components.security_scheme("token", bearer)
    for name, parameter in parameters.common(settings(), about.problem_types).items():
        components.parameter(name, parameter["in"], parameter)
    for name, header in parameters.HEADERS.items():
        components.header(name, header)
    for code, kind in about.problem_types.items():
        components.example(code, problems.example_of(kind))


def _tags(first: Iterable[str], used: set[str]) -> list[Shape]:
    """Each with the docstring of the module that has its routes."""
    order = [name for name in first if name in used]
    order += sorted(used.difference(order))
    return [{"name": name, "description": _description(name)} for name in order]


def _description(tag: str) -> str:
    module = sys.modules[current_app.blueprints[tag].import_name]
    return getdoc(module) or ""
