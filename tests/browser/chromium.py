"""Looks at a page in headless Chromium: what it shows, what it says, and whom it asks."""

from __future__ import annotations

import os
import shutil
from base64 import b64decode
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

from tests.browser.devtools import DevTools

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WIDTH, HEIGHT = 1280, 2000
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_OWN_TRAFFIC = (
    "AutofillServerCommunication",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "Translate",
)
_OPTIONS = (
    "--headless",
    "--no-sandbox",  # root needs that, and the page is our own
    "--disable-gpu",
    "--disable-dev-shm-usage",  # containers have little of it
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-sync",
    f"--disable-features={','.join(_OWN_TRAFFIC)}",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
_LATE = "new Promise(done => setTimeout(done, 1000))"


@dataclass(frozen=True)
class Look:
    """`asked` are the origins and hosts that the page asked or looked up.

    `said` is what came to the console: its own words, errors, and what its policy forbade.
    """

    dom: str
    said: list[str]
    asked: set[str]
    picture: bytes


def look_at(
    url: str, folder: Path, *, until: str, act: Callable[[DevTools], object] | None = None
) -> Look:
    """Once the script `until` is true and `act` has used the page, and a second later.

    The folder keeps `page.png`.
    """
    log = folder / "net.json"
    files = (f"--user-data-dir={folder / 'home'}", f"--log-net-log={log}")
    environment = {**os.environ, "HOME": str(folder)}
    with closing(DevTools((_chromium(), *_OPTIONS, *files), environment)) as page:
        for domain in ("Page", "Runtime", "Log"):
            page.call(f"{domain}.enable")
        size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        page.call("Emulation.setDeviceMetricsOverride", **size)
        page.call("Page.navigate", url=url)
        page.wait_until(until)
        if act is not None:
            act(page)
        page.evaluate(_LATE)
        dom = page.evaluate("document.documentElement.outerHTML")
        picture = b64decode(page.call("Page.captureScreenshot")["data"])
    (folder / "page.png").write_bytes(picture)
    site = "{0.scheme}://{0.hostname} ".format(urlsplit(url))
    asked = set(_asked(orjson.loads(log.read_bytes()), site))
    return Look(dom, list(_said(page.events)), asked, picture)


def _chromium() -> str:
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    assert found, f"It needs Chromium: none of {', '.join(_NAMES)} is there."
    return found


def _said(events: list[dict[str, Any]]) -> Iterator[str]:
    telling = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
    for event in events:
        if event["method"] in telling:
            yield orjson.dumps(event["params"]).decode()


def _asked(log: dict[str, Any], site: str) -> Iterator[str]:
    """Chromium itself asks under other keys than those of the page's site."""
    for event in log["events"]:
        reported = event.get("params", {})
        key = reported.get("network_isolation_key") or reported.get("network_anonymization_key", "")
        if key.startswith(site) and (target := reported.get("url") or reported.get("host")):
            parts = urlsplit(target)
            yield f"{parts.scheme}://{parts.netloc}" if parts.netloc else target
