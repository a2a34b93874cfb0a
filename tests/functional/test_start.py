"""`GET /` leads a person and a program on, and asks no other host."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from app.settings import ROOT

if TYPE_CHECKING:
    from tests.client import Client

CHROMIUM = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,"
    "*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"
)
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


class Page(HTMLParser):
    """Collects what a page has: its language, title, and the targets of its links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.language: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        if tag == "html":
            self.language = given.get("lang")
        if tag == "a":
            self.links.append(given["href"] or "")


@pytest.mark.parametrize("accept", [CHROMIUM, FIREFOX, "text/html", "text/*"])
def test_a_browser_gets_a_page(anonymous: Client, accept: str) -> None:
    """Without a token; every link of the page leads to an answer of this service."""
    answer = anonymous.get("/", Accept=accept)
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    page = Page(answer.text)
    assert page.language == "en"
    assert (page.tags.count("h1"), page.tags.count("main")) == (1, 1)
    assert {"docs", "openapi.json", "livez", "readyz"} <= set(page.links)
    for link in page.links:
        assert anonymous.get(f"/{link}").status_code == 200
    assert "flask tokens create" in answer.text
    assert "docs/tour.md" in answer.text
    assert (ROOT / "docs/tour.md").is_file()


@pytest.mark.parametrize(
    "accept", ["application/json", "*/*", "application/*", "text/html;q=0.5, */*", "image/png"]
)
def test_a_program_gets_json(anonymous: Client, accept: str) -> None:
    """Also a client that accepts anything, as curl does: the paths to go on with."""
    answer = anonymous.get("/", Accept=accept)
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert answer.json["name"] == "Caseload"
    for name in ("documentation", "openapi", "live", "ready"):
        assert anonymous.get(answer.json[name]).status_code == 200


def test_no_accept_is_answered_with_json(anonymous: Client) -> None:
    """The header is optional (RFC 9110, section 12.5.1)."""
    assert anonymous.get("/").mimetype == "application/json"


def test_the_page_loads_nothing(anonymous: Client) -> None:
    """Its policy allows just its own style; there is no script."""
    answer = anonymous.get("/", Accept=FIREFOX)
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert not {"script", "img", "iframe"} & set(Page(answer.text).tags)
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', answer.text)


def test_head_and_caches(anonymous: Client) -> None:
    """HEAD has the headers of GET; a cache keeps page and JSON apart, and asks again."""
    tags = set()
    for accept in (FIREFOX, "*/*"):
        got = anonymous.get("/", Accept=accept, X_Request_Id="x")
        head = anonymous.send("HEAD", "/", headers={"Accept": accept, "X-Request-Id": "x"})
        assert (head.status_code, head.data) == (200, b"")
        assert dict(head.headers) == dict(got.headers)
        assert got.headers["Vary"] == "Accept-Encoding, Accept"
        again = anonymous.get("/", Accept=accept, If_None_Match=got.headers["ETag"])
        assert (again.status_code, again.headers["Vary"]) == (304, got.headers["Vary"])
        tags.add(got.headers["ETag"])
    assert len(tags) == 2


def test_the_host_is_escaped(anonymous: Client) -> None:
    """The page shows the address of a first request, which a client may have made up."""
    page = anonymous.get("/", Accept=FIREFOX, Host='a"<b>')
    assert "<b>" not in page.text
    answer = anonymous.get("/", Accept=FIREFOX, Host="desk.example")
    assert "http://desk.example/v1/me" in answer.text


def test_a_browser_finds_no_icon_and_no_mistake(anonymous: Client) -> None:
    """Browsers ask for an icon unasked; a 404 would be on the console of each page."""
    answer = anonymous.get("/favicon.ico")
    assert (answer.status_code, answer.data) == (204, b"")
    assert answer.headers["Cache-Control"] == "max-age=86400"
