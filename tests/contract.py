"""Holds every answer that a test gets against the OpenAPI document."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import jsonschema_rs
import orjson
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from app.api.openapi.document import build
from app.api.openapi.routes import path_of

if TYPE_CHECKING:
    from flask import Flask
    from werkzeug.test import TestResponse

_documents: list[dict[str, Any]] = []
_ONLY_SOMETIMES = {"Link"}  # there is not always a next page


def document(app: Flask) -> dict[str, Any]:
    """Read as JSON, as a client would; made once, for it is that of the code."""
    if not _documents:
        with app.app_context():
            _documents.append(orjson.loads(orjson.dumps(build())))
    return _documents[0]


def check_answer(app: Flask, method: str, path: str, answer: TestResponse) -> None:
    """Raises AssertionError where the answer is none that the document tells of."""
    operation = _operation(app, "GET" if method == "HEAD" else method, path)
    if operation is None:
        return
    responses = operation["responses"]
    told = responses.get(str(answer.status_code))
    assert told, f"{operation['operationId']} does not tell of {answer.status}: {answer.text}"
    missing = [name for name in told["headers"] if name not in answer.headers]
    assert set(missing) <= _ONLY_SOMETIMES, f"{operation['operationId']} lacks {missing}"
    if method != "HEAD" and "content" in told:
        _check_body(operation["operationId"], told["content"], answer)


def _check_body(name: str, content: dict[str, Any], answer: TestResponse) -> None:
    assert answer.mimetype in content, f"{name}: {answer.mimetype}"
    media = content[answer.mimetype]
    if not answer.mimetype.endswith("json"):
        return
    body = orjson.loads(answer.data)
    if "examples" in media:
        code = body["type"].rpartition("/")[2]
        assert code in media["examples"], f"{name} does not tell of {answer.status_code} {code}"
    for error in validator(orjson.dumps(media["schema"])).iter_errors(body):
        raise AssertionError(f"{name}: {error.message} at {error.instance_path} of {body}")


def _operation(app: Flask, method: str, path: str) -> dict[str, Any] | None:
    try:
        rule, _ = app.url_map.bind("").match(urlsplit(path).path, method, return_rule=True)
    except (HTTPException, RequestRedirect):
        return None  # the framework's own answer
    found: dict[str, Any] = document(app)["paths"].get(path_of(rule.rule), {})
    return found.get(method.lower())


@cache
def validator(schema: bytes) -> jsonschema_rs.Validator:
    """Of a schema that may refer to those of the document; nothing may be left untold."""
    components = deepcopy(_documents[0]["components"])
    for shape in components["schemas"].values():
        if "properties" in shape:
            shape.setdefault("additionalProperties", False)
    whole = {**orjson.loads(schema), "components": components}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
