"""One operation, from the path, the policy and the contract of its route."""

from __future__ import annotations

import re
from inspect import getdoc
from typing import TYPE_CHECKING

from app.api.kit.context import settings
from app.api.kit.contract import IDEMPOTENCY, JSON, UNAVAILABLE
from app.api.kit.idempotency import HEADER, REPLAYED
from app.api.kit.openapi import parameters
from app.api.kit.openapi.problems import responses_of
from app.api.kit.openapi.routes import NOT_MODIFIED
from app.api.kit.pages import HTML
from app.api.kit.rate_limits import LEFT, POLICY
from app.api.kit.selection import SELECTION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from app.api.kit.components import Shape
    from app.api.kit.openapi.routes import Route
    from app.api.kit.openapi.schemas import Schemas
    from app.api.kit.problem_type import ProblemType

_MERGE_PATCH = "application/merge-patch+json"
CREATED, NO_CONTENT = 201, 204
_MEANINGS = {
    200: "The request was carried out.",
    201: "The resource was created.",
    204: "The request was carried out; the response has no body.",
    304: "The resource still has the ETag that If-None-Match names.",
}


def operation_of(route: Route, schemas: Schemas, problem_types: Mapping[str, ProblemType]) -> Shape:
    summary, _, description = (getdoc(route.view) or "").partition("\n\n")
    operation: Shape = {
        "operationId": route.name,
        "tags": [route.tag],
        "summary": summary.removesuffix("."),
        "description": description or summary,
        "parameters": list(_parameters(route)),
        "responses": {
            **_answers(route, schemas),
            **responses_of([problem_types[code] for code in _codes(route)], route.method),
        },
    }
    if route.policy.roles is None:
        operation["security"] = []
    if route.method in ("POST", "PATCH"):
        operation["requestBody"] = _body(route, schemas)
    return operation


def _parameters(route: Route) -> Iterator[parameters.Parameter | str]:
    """Those that it shares with others by their name alone."""
    yield "X-Request-Id"
    yield from re.findall(r"\{(\w+)\}", route.path)
    if route.is_versioned:
        yield "If-Match"
    if route.method == "POST":
        yield HEADER
    if NOT_MODIFIED in route.statuses:
        yield "If-None-Match"
    if route.contract.reader is not None:
        yield from parameters.of_list(route.contract.reader, route.contract.within)
    if route.is_selective:
        yield from parameters.of_selection(route.contract.answer[0])
    yield from (name for name in route.policy.parameters or () if name not in SELECTION)


def _body(route: Route, schemas: Schemas) -> Shape:
    patch = route.method == "PATCH"
    kind = route.contract.body
    if kind is None:
        empty = {"type": "object", "additionalProperties": False}
        return {"required": False, "content": {JSON: {"schema": schemas.add("Nothing", empty)}}}
    shape = schemas.requested(kind, patch=patch)
    if route.contract.many:
        shape = schemas.items(shape, most=settings().max_bulk)
    required = patch or any(field.required for field in kind().fields.values())
    media = (_MERGE_PATCH, JSON) if patch else (JSON,)
    return {"required": required, "content": {name: {"schema": shape} for name in media}}


def _answers(route: Route, schemas: Schemas) -> Shape:
    return {str(status): _answer(route, status, schemas) for status in route.statuses}


def _answer(route: Route, status: int, schemas: Schemas) -> Shape:
    contract = route.contract
    answer: Shape = {"description": _MEANINGS[status]}
    if status not in (NO_CONTENT, NOT_MODIFIED):
        answer["content"] = {contract.media: {"schema": _shape(route, schemas)}}
        if contract.page:
            answer["content"][HTML] = {"schema": {"type": "string"}}
    names = ["ETag"] if route.has_tag else []
    if CREATED in contract.statuses and not contract.many:
        names.append("Location")
    if contract.reader is not None:
        names.append("Link")
    if route.method == "POST":
        names.append(REPLAYED)
    if route.policy.roles is not None and settings().rate_limit:
        names += [LEFT, POLICY]
    return _headed(answer, *names)


def _shape(route: Route, schemas: Schemas) -> Shape:
    contract = route.contract
    if contract.reader is not None:
        return schemas.page(contract.answer[0])
    if not contract.answer:
        return {"type": "object" if contract.media == JSON else "string"}
    if route.is_selective:
        return schemas.selected(contract.answer[0])
    shapes = [schemas.answered(kind) for kind in contract.answer]
    if contract.many:
        return schemas.items(shapes[0])
    return shapes[0] if len(shapes) == 1 else {"anyOf": shapes}


def _headed(answer: Shape, *names: str) -> Shape:
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in (*names, "X-Request-Id")}
    return {**answer, "headers": headers}


def _codes(route: Route) -> Iterator[str]:
    """The problems that it may answer."""
    yield from ("internal-error", "invalid-parameter")
    yield from (error.code for error in route.contract.problems)
    if route.policy.roles is not None:
        yield from ("unauthenticated", "forbidden")
        yield from ["rate-limited"] if settings().rate_limit or settings().wrong_token_rate else []
        yield from (error.code for error in UNAVAILABLE)
    if route.contract.reader is not None:
        yield "invalid-cursor"
    if "{" in route.path:
        yield "not-found"
    if route.is_versioned:
        yield "precondition-failed"
    if route.method != "GET":
        yield "outcome-unknown"
    if route.method == "POST":
        yield from (error.code for error in IDEMPOTENCY)
        yield "idempotency-key-invalid"
    if route.method in ("POST", "PATCH"):
        yield from ("malformed-json", "body-too-large", "unsupported-media-type")
        yield "validation-error"
