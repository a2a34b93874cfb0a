"""The OpenAPI document, and a page to browse it that asks nothing of any other host."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import orjson
from flask import Blueprint, current_app

from app.api.access import allow
from app.api.contract import JSON, answers
from app.api.openapi.document import build
from app.api.pages import cached

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

blueprint = Blueprint("documentation", __name__)

_PAGE = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Caseload: the HTTP API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
<body>
<div id="page"></div>
<noscript>This page needs JavaScript; <a href="openapi.json">openapi.json</a> does not.</noscript>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</html>
"""
# By itself Swagger UI asks a validator on the web what it thinks of the document.
_START = b"""SwaggerUIBundle({
  url: "openapi.json", dom_id: "#page", validatorUrl: null,
  deepLinking: true, docExpansion: "none", filter: true,
})
"""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@blueprint.get("/openapi.json")
@allow(None)
@answers(status=(200, 304))
def openapi() -> Response:
    """This document."""
    return cached(_document(), JSON)


def _document() -> bytes:
    """Made when it is first asked for."""
    made: bytes | None = current_app.extensions.get("openapi")
    if made is None:
        made = current_app.extensions["openapi"] = orjson.dumps(build())
    return made


def _add_page(path: str, media: str, read: Callable[[], bytes]) -> None:
    @allow(None)
    @answers(status=(200, 304), media=media)
    def page() -> Response:
        return cached(read(), media, policy=_POLICY)

    name = path.strip("/").replace("/", "_").replace(".", "_").replace("-", "_")
    blueprint.add_url_rule(path, name, page)


def _asset(name: str) -> Callable[[], bytes]:
    return (files("flask_swagger_ui") / "dist" / name).read_bytes


_add_page("/docs", "text/html", lambda: _PAGE)
_add_page("/docs/start.js", "text/javascript", lambda: _START)
_add_page("/docs/swagger-ui.css", "text/css", _asset("swagger-ui.css"))
_add_page("/docs/swagger-ui-bundle.js", "text/javascript", _asset("swagger-ui-bundle.js"))
