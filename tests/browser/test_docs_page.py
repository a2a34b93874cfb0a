"""/docs can be browsed, and asks nobody but the service: seen in headless Chromium."""

from __future__ import annotations

import re
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import orjson

from tests.browser.chromium import HEIGHT, WIDTH, look_at
from tests.browser.picture import different_lines, size_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.load_desk import Desk

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


def test_an_operation_can_be_linked_to(served: Desk, tmp_path: Path) -> None:
    """It is open then, among the others of its tag."""
    address = f"http://127.0.0.1:{served.port}"
    details = _shown(".opblock.is-open .responses-table")
    look = look_at(f"{address}/docs#/users/me", tmp_path, until=details)
    assert (look.asked, look.said) == ({address}, [])
    shown = set(re.findall(r'id="operations-users-(\w+)"', look.dom))
    assert shown == _operations(address)["users"]
    assert len(re.findall('class="opblock [^"]*is-open', look.dom)) == 1
    statuses = re.findall(r'<tr class="response " data-code="(\d+)"', look.dom)
    assert {"200", "401", "503"} <= set(statuses)


def test_a_page_that_asks_others_is_seen(tmp_path: Path) -> None:
    """By what it asks, what it looks up, and what its policy forbids."""
    (tmp_path / "bad.html").write_bytes(_BAD)
    with _serve(tmp_path) as address:
        look = look_at(f"{address}/bad.html", tmp_path, until=_shown("img"))
    assert {address, "https://asked.example", "https://~notfound"} <= look.asked
    assert "forbidden.example" not in str(look.asked)
    assert [line for line in look.said if "forbidden.example" in line]
    assert different_lines(look.picture) < 10


def _shown(selector: str) -> str:
    return f"document.querySelector({selector!r})"


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
