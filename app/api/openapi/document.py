"""The whole document: every route of the application, and nothing else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from flask import current_app

from app.api.access import policy_of
from app.api.context import settings
from app.api.contract import contract_of
from app.api.openapi import parameters, problems
from app.api.openapi.links import add_links
from app.api.openapi.operations import Route, operation_of
from app.api.openapi.schemas import Schemas

if TYPE_CHECKING:
    from collections.abc import Iterator

_VERSION = "1"
_DESCRIPTION = """\
The system of record behind a support desk. JSON in UTF-8; ids are canonical lower-case UUIDs, times
RFC 3339 in UTC. Errors are `application/problem+json`. HEAD is answered wherever GET is.
A query has at most 50 parameters, and no string anywhere has a NUL in it."""


def build() -> dict[str, Any]:
    schemas = Schemas("Caseload", _VERSION)
    for name, shape in problems.COMPONENTS.items():
        schemas.add(name, shape)
    components = schemas.spec.components
    components.security_scheme("token", {"type": "http", "scheme": "bearer"})
    for name, parameter in parameters.common(settings()).items():
        components.parameter(name, parameter["in"], parameter)
    for name, header in parameters.HEADERS.items():
        components.header(name, header)
    for code, problem in problems.PROBLEMS.items():
        components.example(code, problems.example_of(problem))
    for route in sorted(routes(), key=lambda route: (route.path, route.method)):
        operation = operation_of(route, schemas)
        schemas.spec.path(route.path, operations={route.method.lower(): operation})
    found: dict[str, Any] = schemas.spec.to_dict()
    found["info"]["description"] = _DESCRIPTION
    add_links(found)
    return {**found, "servers": [{"url": "/"}], "security": [{"token": []}]}


def routes() -> Iterator[Route]:
    """Every route; raises LookupError for one without a policy or a contract."""
    rules = list(current_app.url_map.iter_rules())
    readable = {rule.rule for rule in rules if "GET" in (rule.methods or ())}
    for rule in rules:
        view, policy = current_app.view_functions[rule.endpoint], policy_of(rule.endpoint)
        contract = contract_of(view)
        if policy is None or contract is None:
            raise LookupError(f"{rule.endpoint} says not who may call it, or what it answers.")
        path, tag = path_of(rule.rule), rule.endpoint.partition(".")[0]
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            acts = method == "POST" and rule.rule not in readable
            yield Route(path, method, tag, view, policy, contract, acts)


def path_of(rule: str) -> str:
    return re.sub(r"<id:\w+>", "{id}", rule)
