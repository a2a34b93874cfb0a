"""The whole document: every route of the application, and nothing else."""

from __future__ import annotations

from typing import Any

from app.api.kit.context import settings
from app.api.kit.openapi import parameters, problems
from app.api.kit.openapi.links import add_links
from app.api.kit.openapi.operations import operation_of
from app.api.kit.openapi.routes import routes
from app.api.kit.openapi.schemas import Schemas
from app.api.problem_types import PROBLEM_TYPES

_VERSION = "1"
_TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "description": "A token. On the server, `flask tokens create --user EMAIL` prints one.",
}
_DESCRIPTION = """\
The system of record behind a support desk. JSON in UTF-8; ids are canonical lower-case UUIDs, times
RFC 3339 in UTC. Errors are `application/problem+json`. HEAD is answered wherever GET is.
A query has at most 50 parameters, and no string anywhere has a NUL in it.

OPTIONS of every path is 204 with `Allow`, and with what it reads of POST and PATCH. Any other path
is 404, any other method of a path 405 with `Allow`. The server itself refuses, without a problem,
what is no HTTP (400), an `Expect` that it does not know (417) and, by default, a request line (414)
or a header (431) of more than 8,190 bytes, or more than 100 headers (431)."""


def build() -> dict[str, Any]:
    schemas = Schemas("Caseload", _VERSION)
    for name, shape in problems.COMPONENTS.items():
        schemas.add(name, shape)
    components = schemas.spec.components
    components.security_scheme("token", _TOKEN)
    for name, parameter in parameters.common(settings()).items():
        components.parameter(name, parameter["in"], parameter)
    for name, header in parameters.HEADERS.items():
        components.header(name, header)
    for code, kind in PROBLEM_TYPES.items():
        components.example(code, problems.example_of(kind))
    for route in sorted(routes(), key=lambda route: (route.path, route.method)):
        operation = operation_of(route, schemas)
        schemas.spec.path(route.path, operations={route.method.lower(): operation})
    found: dict[str, Any] = schemas.spec.to_dict()
    found["info"]["description"] = _DESCRIPTION
    add_links(found)
    return {**found, "servers": [{"url": "/"}], "security": [{"token": []}]}
