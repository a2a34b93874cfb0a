"""The OpenAPI document is valid, complete and true, and its page asks nobody else.

That answers are as it tells is checked wherever a test gets one: see tests/contract.py.
"""

from __future__ import annotations

import gzip
import re
from contextlib import closing
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from app import create_app
from app.api.kit.contract import contract_of
from app.api.kit.openapi.routes import path_of
from app.api.kit.problems import status_of
from app.api.problem_types import PROBLEM_TYPES
from app.db.errors import ApplicationError, NotPermitted, ReadOnlyViolation
from app.models import Base
from app.settings import Settings
from tests.client import Client
from tests.contract import document, validator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask

    from tests.served import Desk

Document = dict[str, Any]


@pytest.fixture
def reported(anonymous: Client) -> Document:
    answer = anonymous.get("/openapi.json")
    assert answer.status_code == 200
    found: Document = answer.json
    return found


def _operations(reported: Document) -> Iterator[tuple[str, str, Document]]:
    for path, methods in reported["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_it_is_a_valid_openapi_3_1(reported: Document) -> None:
    """By the validator of the OpenAPI specification itself."""
    assert reported["openapi"].startswith("3.1.")
    assert list(OpenAPIV31SpecValidator(reported).iter_errors()) == []


def test_every_route_is_in_it_and_nothing_else(app: Flask, reported: Document) -> None:
    """What the application serves, method by method; HEAD goes with GET."""
    served = {
        f"{method} {path_of(rule.rule)}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD"}
    }
    assert {f"{method.upper()} {path}" for path, method, _ in _operations(reported)} == served


def test_a_route_without_a_contract_is_found(database_url: str) -> None:
    """Whoever adds a route and does not say what it answers, is told so."""
    other = create_app(Settings(database_url=database_url, given_secret_key="k" * 32))
    forgotten = [name for name, view in other.view_functions.items() if contract_of(view) is None]
    assert forgotten == []


def test_every_operation_says_all_that_a_client_has_to_know(reported: Document) -> None:
    """A name of its own, a tag, its parameters, and an answer for whatever may go wrong."""
    names = [operation["operationId"] for _, _, operation in _operations(reported)]
    assert len(set(names)) == len(names)
    for path, method, operation in _operations(reported):
        statuses = set(operation["responses"])
        summary, description = operation["summary"], operation["description"]
        assert len(summary.split()) > 1
        assert summary[0].isupper()
        assert description.endswith((".", ":"))
        assert summary not in description
        assert {"400", "500"} <= statuses
        assert ({"401", "403", "503"} <= statuses) == ("security" not in operation)
        assert ("404" in statuses) == ("{" in path)
        assert ("requestBody" in operation) == (method in ("post", "patch"))
        assert ({"413", "415", "422"} <= statuses) == (method in ("post", "patch"))
        for status, answer in operation["responses"].items():
            assert "X-Request-Id" in answer["headers"], (path, method, status)
            assert ("content" in answer) == (status not in ("204", "304"))


def test_a_reader_is_led_from_a_token_to_the_resources(reported: Document) -> None:
    """The introduction starts with a token, the tags with customers; each tag has a sentence."""
    headings = re.findall(r"^## (.*)", reported["info"]["description"], re.MULTILINE)
    assert headings[0] == "Get a token"
    tags = reported["tags"]
    assert [tag["name"] for tag in tags[:3]] == ["customers", "accounts", "transactions"]
    assert all(tag["description"].endswith(".") for tag in tags)
    used = {tag for _, _, operation in _operations(reported) for tag in operation["tags"]}
    assert used == {tag["name"] for tag in tags}


def test_every_field_and_parameter_is_described(reported: Document) -> None:
    """In a sentence: a field where its schema declares it, by `metadata=describe(...)`."""
    fields = [
        (f"{name}.{field}", described)
        for name, shape in reported["components"]["schemas"].items()
        for field, described in _all_fields(shape)
    ]
    parameters = [(parameter["name"], parameter) for parameter in _parameters(reported)]
    assert len(fields) > 300
    undescribed = [
        name
        for name, shape in fields + parameters
        if not shape.get("description", "").endswith(".")
    ]
    assert undescribed == []


def _all_fields(shape: Document) -> Iterator[tuple[str, Document]]:
    for name, field in shape.get("properties", {}).items():
        yield name, field
        yield from _all_fields(field)


def test_every_example_is_valid(app: Flask, reported: Document) -> None:
    """Of schemas, of parameters and of problems."""
    checked = 0
    for name, shape in reported["components"]["schemas"].items():
        reference = orjson.dumps({"$ref": f"#/components/schemas/{name}"})
        for example in shape.get("examples", ()):
            document(app)
            validator(reference).validate(example)
            checked += 1
    problem = orjson.dumps({"$ref": "#/components/schemas/Problem"})
    for name, example in reported["components"]["examples"].items():
        validator(problem).validate(example["value"])
        assert example["value"]["type"].endswith(f"/problems/{name}")
    for parameter in _parameters(reported):
        for example in parameter["schema"].get("examples", ()):
            validator(orjson.dumps(parameter["schema"])).validate(example)
    assert checked > 40


def _parameters(reported: Document) -> Iterator[Document]:
    yield from reported["components"]["parameters"].values()
    for _, _, operation in _operations(reported):
        yield from (found for found in operation["parameters"] if "$ref" not in found)


def test_every_problem_is_one_that_the_code_raises(reported: Document) -> None:
    """Each error of the domain has an example, under its own status."""
    for error in _all_errors(ApplicationError):
        if error.__module__.startswith(("app.errors", "app.domain.", "app.db.errors")) and hasattr(
            error, "code"
        ):
            if error in (ReadOnlyViolation, NotPermitted):
                continue  # bugs of ours: internal-error
            assert PROBLEM_TYPES[error.code].status == status_of(error)
    for _, _, operation in _operations(reported):
        for status, answer in operation["responses"].items():
            examples = answer.get("content", {}).get("application/problem+json", {})
            for code in examples.get("examples", ()):
                assert PROBLEM_TYPES[code].status == int(status)


def _all_errors(kind: type[ApplicationError]) -> Iterator[type[ApplicationError]]:
    for inner in kind.__subclasses__():
        yield inner
        yield from _all_errors(inner)


def test_what_may_be_null_is_what_the_tables_say(reported: Document) -> None:
    """A field that is answered is nullable where its column is, and only there."""
    compared = 0
    for mapper in Base.registry.mappers:
        columns = mapper.class_.__table__.c
        shape = reported["components"]["schemas"].get(mapper.class_.__name__, {})
        for field, told_of in shape.get("properties", {}).items():
            if field in columns:
                assert _may_be_null(told_of) == columns[field].nullable, field
                compared += 1
    assert compared > 100


def test_what_no_operation_answers_is_told_of_all(served: Desk, reported: Document) -> None:
    """What is refused before there is an operation: by the router, or by gunicorn itself."""
    long = "a" * 9000
    for status, method, query, headers in (
        (405, "PUT", "", {}),
        (414, "GET", f"?x={long}", {}),
        (417, "GET", "", {"Expect": "nothing"}),
        (431, "GET", "", {"X-Long": long}),
    ):
        with closing(HTTPConnection("127.0.0.1", served.port)) as connection:
            connection.request(method, f"/v1/me{query}", headers=headers)
            assert connection.getresponse().status == status
        assert str(status) in reported["info"]["description"]


def test_a_token_is_of_a_user_or_of_an_agent(reported: Document) -> None:
    """Of one of both: the document refuses what the service does."""
    new = validator(orjson.dumps({"$ref": "#/components/schemas/NewToken"}))
    of_user, of_agent = {"user_id": str(uuid4())}, {"agent_id": str(uuid4())}
    assert new.is_valid({"name": "x", **of_user})
    assert new.is_valid({"name": "x", **of_agent})
    assert not new.is_valid({"name": "x"})
    assert not new.is_valid({"name": "x", **of_user, **of_agent})


def test_what_is_answered_within_something_is_whole_too(reported: Document) -> None:
    """A resource has its id and version wherever it is, and may have more fields one day."""
    named = reported["components"]["schemas"]
    resources = {name for name, shape in named.items() if {"id", "version"} <= _fields(shape)}
    assert {"Task", "ClaimedTask", "Event"} <= resources
    for name in resources:
        if not name.startswith("Sparse"):
            assert {"id", "version"} <= set(named[name]["required"]), name
            assert "additionalProperties" not in named[name], name
    assert "lease_token" in named["ClaimedTask"]["required"]


def _fields(shape: Document) -> set[str]:
    return set(shape.get("properties", ()))


def _may_be_null(shape: Document) -> bool:
    if "anyOf" in shape:
        return {"type": "null"} in shape["anyOf"]
    anything = not shape.keys() & {"type", "$ref"}
    return anything or "null" in shape.get("type", ())


def test_every_link_leads_to_an_operation(reported: Document) -> None:
    """What was made can be read, changed and referred to next."""
    names = {operation["operationId"] for _, _, operation in _operations(reported)}
    made = reported["paths"]["/v1/customers"]["post"]["responses"]["201"]
    assert {"customers_read", "customers_update", "conversations_create_of"} <= set(made["links"])
    for _, _, operation in _operations(reported):
        for answer in operation["responses"].values():
            for link in answer.get("links", {}).values():
                assert link["operationId"] in names


def test_an_unchanged_document_is_not_sent_again(anonymous: Client) -> None:
    """It has an ETag; so has all that the page is made of."""
    for path in ("/openapi.json", "/docs", "/docs/swagger-ui-bundle.js"):
        tag = anonymous.get(path).headers["ETag"]
        again = anonymous.get(path, if_none_match=tag)
        assert (again.status_code, again.data) == (304, b"")


def test_what_is_large_is_compressed(anonymous: Client) -> None:
    """For a client that takes gzip, under an ETag of its own; caches keep the two apart."""
    for path in ("/openapi.json", "/docs/swagger-ui-bundle.js"):
        plain = anonymous.get(path)
        assert "Content-Encoding" not in plain.headers
        assert "Content-Encoding" not in anonymous.get(path, accept_encoding="gzip;q=0").headers
        zipped = anonymous._client.get(path, headers={"Accept-Encoding": "gzip, br"})
        assert zipped.headers["Content-Encoding"] == "gzip"
        assert len(zipped.data) * 3 < len(plain.data)
        assert gzip.decompress(zipped.data) == plain.data
        assert zipped.headers["ETag"] != plain.headers["ETag"]
        assert plain.headers["Vary"] == zipped.headers["Vary"] == "Accept-Encoding"
        again = {"Accept-Encoding": "gzip", "If-None-Match": zipped.headers["ETag"]}
        assert anonymous._client.get(path, headers=again).status_code == 304


def test_the_page_asks_no_other_host(anonymous: Client, app: Flask) -> None:
    """All it loads is served here, and it is told to let the browser ask nobody else."""
    page = anonymous.get("/docs")
    assert page.mimetype == "text/html"
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    for target in loaded:
        if target != "data:,":
            assert anonymous.get(f"/{target}").status_code == 200
    assert len(loaded) == 7
