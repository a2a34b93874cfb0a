"""The `type` of every problem leads to what it means: a page in a browser, JSON for programs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from app.api.kit.problems import _CODES, status_of
from app.api.problem_types import PROBLEM_TYPES
from app.db import errors as db_errors
from app.settings import ROOT
from tests.client import Client, problem

if TYPE_CHECKING:
    from collections.abc import Iterator

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def _subclasses(
    kind: type[db_errors.ApplicationError],
) -> Iterator[type[db_errors.ApplicationError]]:
    for inner in kind.__subclasses__():
        yield inner
        yield from _subclasses(inner)


def answered() -> dict[str, int]:
    """The code and status of everything that an answer may be: of errors, and of HTTP itself."""
    found = {"internal-error": 500}
    for error in _subclasses(db_errors.ApplicationError):
        if hasattr(error, "code") and error.__module__ != "app.environment":  # of commands alone
            status = status_of(error)
            found["internal-error" if status == 500 else error.code] = status
    found |= {code: status for status, code in _CODES.items()}
    for source in (ROOT / "app/api").rglob("*.py"):
        written = re.findall(r'Problem\(\s*(\d{3}),\s*"([a-z-]+)"', source.read_text())
        found |= {code: int(status) for status, code in written}
    return found


def test_every_code_has_a_page(anonymous: Client) -> None:
    """For whoever asks, without a token, with the status that it is answered with."""
    codes = answered()
    assert {"not-found", "malformed-json", "lease-lost", "schema-mismatch"} <= codes.keys()
    assert codes.keys() == PROBLEM_TYPES.keys()
    for code, status in codes.items():
        reported = anonymous.get(f"/problems/{code}")
        assert reported.status_code == 200
        explained = reported.json
        assert (explained["code"], explained["status"]) == (code, status)
        assert explained["type"] == explained["example"]["type"] == f"/problems/{code}"
        assert explained["title"] == explained["example"]["title"]
        assert explained["meaning"].endswith(".")
        assert explained["what_to_do"].endswith(".")


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/me", "/v1/customers?nope=1"])
def test_the_type_of_a_problem_leads_to_its_explanation(viewer: Client, path: str) -> None:
    """As it stands in the answer, on the same server."""
    client = Client(viewer._app, None) if path == "/v1/me" else viewer
    refused = client.get(path)
    explained = client.get(refused.json["type"]).json
    assert explained["code"] == problem(refused)[1]
    assert explained["status"] == refused.status_code


def test_a_browser_gets_pages(anonymous: Client) -> None:
    """The list links to each problem, and each problem to the list; every link leads somewhere."""
    listed = anonymous.get("/problems", Accept=BROWSER)
    assert listed.mimetype == "text/html"
    links = re.findall(r'href="(problems/[a-z-]+)"', listed.text)
    assert [link.removeprefix("problems/") for link in sorted(links)] == sorted(PROBLEM_TYPES)
    for link in links:
        page = anonymous.get(f"/{link}", Accept=BROWSER)
        assert page.mimetype == "text/html"
        assert 'href="../problems"' in page.text
        assert "<h2>What to do</h2>" in page.text
        assert not re.findall(r"<script|<img|[{]\w+[}]", page.text)


def test_a_program_gets_a_list(anonymous: Client) -> None:
    """All problems, each as its own address explains it."""
    listed = anonymous.get("/problems").json["items"]
    assert {item["code"] for item in listed} == PROBLEM_TYPES.keys()
    for item in listed:
        assert anonymous.get(item["type"]).json == item


@pytest.mark.parametrize("code", ["nothing", "Not-Found", "%3Cscript%3E", "not-found%20"])
def test_an_unknown_problem_is_404(anonymous: Client, code: str) -> None:
    """Problem+json, in a browser too: nothing of the path becomes HTML."""
    for accept in ("*/*", BROWSER):
        answer = anonymous.get(f"/problems/{code}", Accept=accept)
        assert problem(answer) == (404, "not-found")
    assert problem(anonymous.get("/problems/")) == (404, "not-found")
