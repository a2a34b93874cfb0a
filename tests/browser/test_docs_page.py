"""/docs can be browsed by everybody, and asks no other host: seen in headless Chromium."""

from __future__ import annotations

import re
from contextlib import contextmanager
from functools import partial
from html import unescape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import orjson
import pytest

from tests.browser.axe import violations
from tests.browser.chromium import HEIGHT, WIDTH, look_at
from tests.browser.picture import different_lines, size_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.browser.devtools import DevTools
    from tests.served import Desk

_DOWNLOADS = """performance.getEntriesByType("resource")
    .filter(({ name }) => name.endsWith("/openapi.json")).length"""
_BAD = b"""<!doctype html>
<meta http-equiv="Content-Security-Policy" content="img-src 'none'">
<link rel="icon" href="data:,">
<link rel="dns-prefetch" href="https://prefetched.example">
<img hidden src="https://forbidden.example/a.png">
<script>fetch("https://asked.example/b").catch(() => {})</script>
"""


def test_all_tags_are_shown(served: Desk, tmp_path: Path) -> None:
    """At first sight, with nothing to say on the console, and no question to another host."""
    address = f"http://127.0.0.1:{served.port}"
    look = look_at(f"{address}/docs", tmp_path, until=_shown(".opblock-tag"))
    assert (look.asked, look.said) == ({address}, [])
    assert set(re.findall(r'<h3[^>]* data-tag="(\w+)"', look.dom)) == set(_operations(address))
    assert size_of(look.picture) == (WIDTH, HEIGHT)
    assert different_lines(look.picture) > 100


def test_what_makes_it_fast_is_in_use(served: Desk, tmp_path: Path) -> None:
    """Nothing is open at first, and Swagger UI resolves references by the page's own function.

    Its own one, which the page replaces, takes most of the four seconds that it opened in before.
    """
    found: list[Any] = []

    def act(page: DevTools) -> None:
        found.append(page.evaluate("document.querySelectorAll('*').length"))
        found.append(page.evaluate("document.querySelectorAll('.opblock').length"))
        found.append(page.evaluate("ui.getSystem().fn.resolveSubtree === resolveSubtree"))
        found.append(page.evaluate(_DOWNLOADS))

    address = f"http://127.0.0.1:{served.port}"
    look_at(f"{address}/docs", tmp_path, until=_shown(".opblock-tag"), act=act)
    elements, open_operations, is_ours, downloads = found
    assert elements < 400
    assert (open_operations, is_ours, downloads) == (0, True, 1)


@pytest.mark.parametrize(
    ("tag", "operation"), [("users", "me"), ("conversations", "conversations_bulk_assign")]
)
def test_an_operation_can_be_linked_to(
    served: Desk, tmp_path: Path, tag: str, operation: str
) -> None:
    """It is open then, among the others of its tag, and the console is empty."""
    address = f"http://127.0.0.1:{served.port}"
    details = _shown(".opblock.is-open .responses-table")
    look = look_at(f"{address}/docs#/{tag}/{operation}", tmp_path, until=details)
    assert (look.asked, look.said) == ({address}, [])
    shown = set(re.findall(rf'id="operations-{tag}-(\w+)"', look.dom))
    assert shown == _operations(address)[tag]
    assert len(re.findall('class="opblock [^"]*is-open', look.dom)) == 1
    statuses = re.findall(r'<tr class="response " data-code="(\d+)"', look.dom)
    assert {"200", "401", "503"} <= set(statuses)


def test_the_example_of_an_answer_is_whole(served: Desk, tmp_path: Path) -> None:
    """The page follows references: a list shows an item with its fields and what it refers to."""
    address = f"http://127.0.0.1:{served.port}"
    body = _shown(".responses-table [data-code='200'] .example")
    look = look_at(f"{address}/docs#/accounts/accounts_list", tmp_path, until=body)
    part = look.dom.partition('data-code="200"')[2].partition('data-code="400"')[0]
    example = unescape(re.sub("<[^>]+>", "", part))
    assert {"items", "overdraft_limit", "currency", "next_cursor"} <= set(
        re.findall(r'"(\w+)":', example)
    )


def test_axe_finds_nothing(served: Desk, tmp_path: Path) -> None:
    """Neither at first, nor in the dialog for the token, nor in operations that are tried out."""
    found: list[str] = []

    def act(page: DevTools) -> None:
        found.extend(violations(page))
        page.evaluate(_click(".auth-wrapper .authorize"))
        page.wait_until(_shown(".modal-ux input"))
        found.extend(violations(page))
        page.evaluate(_click(".close-modal"))
        for tag, operation in (("customers", "customers_list"), ("tasks", "tasks_create")):
            _try_out(page, tag, operation)
            found.extend(violations(page))

    address = f"http://127.0.0.1:{served.port}"
    look = look_at(f"{address}/docs", tmp_path, until=_shown(".opblock-tag"), act=act)
    assert (found, look.said) == ([], [])


def test_the_start_page_is_shown(served: Desk, tmp_path: Path) -> None:
    """axe finds nothing in it, the console is empty, and it asks no other host."""
    found: list[str] = []
    address = f"http://127.0.0.1:{served.port}"
    look = look_at(address, tmp_path, until=_shown("dl"), act=lambda p: found.extend(violations(p)))
    assert (found, look.said, look.asked) == ([], [], {address})
    assert different_lines(look.picture) > 100


def test_the_token_is_remembered(served: Desk, tmp_path: Path) -> None:
    """It is sent after the page was loaded again, and is on no disk: not in localStorage."""
    token = served.employ("ann").token
    address = f"http://127.0.0.1:{served.port}"
    found: list[Any] = []

    def act(page: DevTools) -> None:
        page.evaluate(_click(".auth-wrapper .authorize"))
        page.wait_until(_shown(".modal-ux input"))
        page.evaluate("document.querySelector('.modal-ux input').focus()")
        page.call("Input.insertText", text=token)
        page.evaluate(_click(".modal-ux [type=submit]"))
        page.wait_until(_shown(".auth-wrapper .authorize.locked"))
        page.call("Page.navigate", url=f"{address}/docs")
        page.wait_until(_shown(".auth-wrapper .authorize.locked"))
        _try_out(page, "users", "me")
        page.evaluate(_click(".execute"))
        page.wait_until(_shown(".live-responses-table .response-col_status"))
        status = "document.querySelector('.live-responses-table .response .response-col_status')"
        found.append(page.evaluate(f"{status}.textContent"))
        found.append(page.evaluate("localStorage.length"))

    look = look_at(f"{address}/docs", tmp_path, until=_shown(".opblock-tag"), act=act)
    assert (found, look.said) == (["200", 0], [])


def test_a_page_that_asks_others_is_seen(tmp_path: Path) -> None:
    """By what it asks, what it looks up, what its policy forbids, and by axe."""
    found: list[str] = []
    (tmp_path / "bad.html").write_bytes(_BAD)
    with _serve(tmp_path) as address:
        look = look_at(
            f"{address}/bad.html",
            tmp_path,
            until=_shown("img"),
            act=lambda page: found.extend(violations(page)),
        )
    assert "html-has-lang" in {line.partition(":")[0] for line in found}
    assert {address, "https://asked.example", "https://~notfound"} <= look.asked
    assert "forbidden.example" not in str(look.asked)
    assert [line for line in look.said if "forbidden.example" in line]
    assert different_lines(look.picture) < 10


def _shown(selector: str) -> str:
    return f"document.querySelector({selector!r})"


def _click(selector: str) -> str:
    return f"document.querySelector({selector!r}).click()"


def _try_out(page: DevTools, tag: str, operation: str) -> None:
    """Open the operation, and the fields for its parameters and its body."""
    keys = ["operations-tag", tag], ["operations", tag, operation]
    for key in keys:
        page.evaluate(f"ui.layoutActions.show({key}, true); null")
    opened = f"#operations-{tag}-{operation}"
    page.wait_until(_shown(f"{opened} .responses-table"))
    page.evaluate(_click(f"{opened} .try-out__btn"))
    page.wait_until(_shown(f"{opened} .execute"))


def _operations(address: str) -> dict[str, set[str]]:
    """Their names, by tag."""
    with urlopen(f"{address}/openapi.json") as answer:  # noqa: S310 - on this machine
        document: dict[str, Any] = orjson.loads(answer.read())
    found: dict[str, set[str]] = {}
    for methods in document["paths"].values():
        for operation in methods.values():
            (tag,) = operation["tags"]
            found.setdefault(tag, set()).add(operation["operationId"])
    return found


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def _serve(folder: Path) -> Iterator[str]:
    """The address of the folder's files."""
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
