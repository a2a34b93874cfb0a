"""The OpenAPI document, and a page to browse it, which loads nothing from other hosts."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import orjson
from flask import Blueprint, current_app

from app.api.about import ABOUT
from app.api.kit.access import allow
from app.api.kit.contract import JSON, answers, documented
from app.api.kit.openapi.document import build
from app.api.kit.pages import HTML, cached

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

blueprint = Blueprint("documentation", __name__, url_prefix="/")

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@blueprint.get("/openapi.json")
@allow(None)
@answers(status=(200, 304))
def openapi() -> Response:
    """Return this document.

    It describes every operation in OpenAPI 3.1.
    """
    return cached(_document(), JSON)


def _document() -> bytes:
    """The document as JSON, which is built at the first request for it."""
    written: bytes | None = current_app.extensions.get("openapi")
    if written is None:
        written = current_app.extensions["openapi"] = orjson.dumps(build(ABOUT))
    return written


def _add_page(path: str, media: str, read: Callable[[], bytes]) -> None:
    @allow(None)
    @answers(status=(200, 304), media=media)
    @documented(f"Return {path}.", "A part of the page on which this document can be browsed.")
    def page() -> Response:
        return cached(read(), media, policy=_POLICY)

    name = path.strip("/").replace("/", "_").replace(".", "_").replace("-", "_")
    blueprint.add_url_rule(path, name, page)


def _asset(package: str, name: str) -> Callable[[], bytes]:
    return (files(package) / name).read_bytes


for _path, _media, _package, _file in (
    ("/docs", HTML, "app.api.docs_page", "index.html"),
    ("/docs/start.js", "text/javascript", "app.api.docs_page", "start.js"),
    ("/docs/page.css", "text/css", "app.api.docs_page", "page.css"),
    ("/docs/swagger-ui.css", "text/css", "flask_swagger_ui.dist", "swagger-ui.css"),
    (
        "/docs/swagger-ui-bundle.js",
        "text/javascript",
        "flask_swagger_ui.dist",
        "swagger-ui-bundle.js",
    ),
):
    _add_page(_path, _media, _asset(_package, _file))
