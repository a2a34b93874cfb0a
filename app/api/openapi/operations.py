"""One operation: what the path, the roles and the contract of a route say together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from inspect import getdoc
from typing import TYPE_CHECKING, Any

from app.api.contract import JSON, UNAVAILABLE, Contract
from app.api.openapi import parameters
from app.api.openapi.problems import responses_of
from app.api.schemas.base import ResourceSchema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.api.access import Policy
    from app.api.openapi.schemas import Schemas

_VERBS = {"POST": "create", "PATCH": "update", "DELETE": "delete"}
_MERGE_PATCH = "application/merge-patch+json"
CREATED, NO_CONTENT, NOT_MODIFIED = 201, 204, 304
_TOLD = {200: "Done.", 201: "Made.", 204: "Gone.", 304: "Not changed."}


@dataclass(frozen=True)
class Route:
    """`acts` tells a POST that does something to a thing from one that adds to a list."""

    path: str
    method: str
    tag: str
    view: Callable[..., Any]
    policy: Policy
    contract: Contract
    acts: bool

    @property
    def name(self) -> str:
        words = re.sub(r"\{\w+\}", "", self.path.removeprefix("/v1")).replace(".", "/").split("/")
        verb = "list" if self.contract.reader else _VERBS.get(self.method, "")
        if self.method == "GET" and not verb and self.path.endswith("{id}"):
            verb = "read"
        return "_".join(word for word in [*words, "" if self.acts else verb] if word)

    @property
    def is_versioned(self) -> bool:
        """Whether it answers, or works on, one thing under its version."""
        if self.method == "GET":
            return self._is_one and self.contract.reader is None
        return self.method in ("PATCH", "DELETE") or (self.acts and "{id}" in self.path)

    @property
    def has_tag(self) -> bool:
        is_one = self._is_one and self.contract.reader is None
        return is_one or NOT_MODIFIED in self.contract.statuses

    @property
    def statuses(self) -> tuple[int, ...]:
        may_be_known = self.method == "GET" and self.is_versioned
        return (*self.contract.statuses, *((NOT_MODIFIED,) if may_be_known else ()))

    @property
    def _is_one(self) -> bool:
        return any(issubclass(kind, ResourceSchema) for kind in self.contract.answer)


def operation_of(route: Route, schemas: Schemas) -> dict[str, Any]:
    told = (getdoc(route.view) or "").strip()
    operation: dict[str, Any] = {
        "operationId": route.name,
        "tags": [route.tag],
        "summary": route.name.replace("_", " ").capitalize(),
        "parameters": list(_parameters(route)),
        "responses": {**_answers(route, schemas), **responses_of(_codes(route), route.method)},
    }
    if told:
        operation["description"] = told
    if route.policy.roles is None:
        operation["security"] = []
    if route.method in ("POST", "PATCH"):
        operation["requestBody"] = _body(route, schemas)
    return operation


def _parameters(route: Route) -> Iterator[parameters.Parameter | str]:
    """Those that it shares with others by their name alone."""
    yield "X-Request-Id"
    if "{id}" in route.path:
        yield "id"
    if route.is_versioned:
        yield "If-Match"
    if NOT_MODIFIED in route.statuses:
        yield "If-None-Match"
    if route.contract.reader is not None:
        yield from parameters.of_list(route.contract.reader, route.contract.within)
    yield from route.policy.parameters or ()


def _body(route: Route, schemas: Schemas) -> dict[str, Any]:
    patch = route.method == "PATCH"
    kind = route.contract.body
    if kind is None:
        empty = {"type": "object", "additionalProperties": False}
        return {"required": False, "content": {JSON: {"schema": schemas.add("Nothing", empty)}}}
    shape = schemas.requested(kind, patch=patch)
    required = patch or any(field.required for field in kind().fields.values())
    media = (_MERGE_PATCH, JSON) if patch else (JSON,)
    return {"required": required, "content": {name: {"schema": shape} for name in media}}


def _answers(route: Route, schemas: Schemas) -> dict[str, Any]:
    return {str(status): _answer(route, status, schemas) for status in route.statuses}


def _answer(route: Route, status: int, schemas: Schemas) -> dict[str, Any]:
    contract = route.contract
    answer: dict[str, Any] = {"description": _TOLD[status]}
    if status not in (NO_CONTENT, NOT_MODIFIED):
        answer["content"] = {contract.media: {"schema": _shape(contract, schemas)}}
    names = ["ETag"] if route.has_tag else []
    if CREATED in contract.statuses:
        names.append("Location")
    if contract.reader is not None:
        names.append("Link")
    return _headed(answer, *names)


def _shape(contract: Contract, schemas: Schemas) -> dict[str, Any]:
    if contract.reader is not None:
        return schemas.page(contract.answer[0])
    if not contract.answer:
        return {"type": "object" if contract.media == JSON else "string"}
    shapes = [schemas.answered(kind) for kind in contract.answer]
    return shapes[0] if len(shapes) == 1 else {"anyOf": shapes}


def _headed(answer: dict[str, Any], *names: str) -> dict[str, Any]:
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in (*names, "X-Request-Id")}
    return {**answer, "headers": headers}


def _codes(route: Route) -> Iterator[str]:
    """The problems that it may answer."""
    yield from ("internal-error", "invalid-parameter")
    yield from (error.code for error in route.contract.problems)
    if route.policy.roles is not None:
        yield from ("unauthenticated", "forbidden")
        yield from (error.code for error in UNAVAILABLE)
    if route.contract.reader is not None:
        yield "invalid-cursor"
    if "{id}" in route.path:
        yield "not-found"
    if route.is_versioned:
        yield "precondition-failed"
    if route.method != "GET":
        yield "outcome-unknown"
    if route.method in ("POST", "PATCH"):
        yield from ("malformed-json", "body-too-large", "unsupported-media-type")
        yield "validation-error"
