"""Holds every answer that a test gets against the OpenAPI document."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import jsonschema_rs
import orjson
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from app.api.about import ABOUT
from app.api.kit.openapi.document import build
from app.api.kit.openapi.routes import path_of
from app.api.kit.openapi.schemas import SPARSE

if TYPE_CHECKING:
    from flask import Flask
    from werkzeug.test import TestResponse

_documents: list[dict[str, Any]] = []
_SPARSE = f"/{SPARSE}"
_ONLY_SOMETIMES = {"Link", "Idempotency-Replayed"}  # not always a next page, nor a replay


def document(app: Flask) -> dict[str, Any]:
    """Read as JSON, as a client would; made once, for it is that of the code."""
    if not _documents:
        with app.app_context():
            _documents.append(orjson.loads(orjson.dumps(build(ABOUT))))
    return _documents[0]


def check_answer(app: Flask, method: str, path: str, answer: TestResponse) -> None:
    """Raises AssertionError where the answer is none that the document describes."""
    operation = _operation(app, "GET" if method == "HEAD" else method, path)
    if operation is None:
        return
    responses = operation["responses"]
    described = responses.get(str(answer.status_code))
    assert described, f"{operation['operationId']} does not describe {answer.status}: {answer.text}"
    missing = [name for name in described["headers"] if name not in answer.headers]
    assert set(missing) <= _ONLY_SOMETIMES, f"{operation['operationId']} lacks {missing}"
    if method != "HEAD" and "content" in described:
        is_sparse = "fields" in parse_qs(urlsplit(path).query)
        _check_body(operation["operationId"], described["content"], answer, is_sparse=is_sparse)


def _check_body(
    name: str, content: dict[str, Any], answer: TestResponse, *, is_sparse: bool
) -> None:
    assert answer.mimetype in content, f"{name}: {answer.mimetype}"
    media = content[answer.mimetype]
    if not answer.mimetype.endswith("json"):
        return
    body = orjson.loads(answer.data)
    if "examples" in media:
        code = body["type"].rpartition("/")[2]
        assert code in media["examples"], f"{name} does not describe {answer.status_code} {code}"
    schema = orjson.dumps(media["schema"])
    for error in validator(schema, is_sparse=is_sparse).iter_errors(body):
        raise AssertionError(f"{name}: {error.message} at {error.instance_path} of {body}")


def _operation(app: Flask, method: str, path: str) -> dict[str, Any] | None:
    try:
        rule, _ = app.url_map.bind("").match(urlsplit(path).path, method, return_rule=True)
    except (HTTPException, RequestRedirect):
        return None  # the framework's own answer
    found: dict[str, Any] = document(app)["paths"].get(path_of(rule.rule), {})
    return found.get(method.lower())


@cache
def validator(schema: bytes, *, is_sparse: bool = False) -> jsonschema_rs.Validator:
    """Of a schema that may refer to those of the document; nothing may be left undescribed."""
    components = deepcopy(_documents[0]["components"])
    for shape in components["schemas"].values():
        if "properties" in shape:
            shape.setdefault("additionalProperties", False)
    described = orjson.loads(schema)
    if not is_sparse:
        described, components = _without_sparse(described), _without_sparse(components)
    described = {**described, "components": components}
    return jsonschema_rs.Draft202012Validator(described, validate_formats=True)


def _without_sparse(shape: Any) -> Any:
    """What is answered where no fields are named: all of them."""
    if isinstance(shape, list):
        return [_without_sparse(inner) for inner in shape]
    if not isinstance(shape, dict):
        return shape
    whole, *others = shape.get("anyOf", [None])
    if any(_SPARSE in other.get("$ref", "") for other in others):
        return whole
    return {key: _without_sparse(inner) for key, inner in shape.items()}
