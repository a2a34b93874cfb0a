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


def _add_page(path: str, summary: str, media: str, read: Callable[[], bytes]) -> None:
    @allow(None)
    @answers(status=(200, 304), media=media)
    @documented(summary, "People browse this document and try out its operations on that page.")
    def page() -> Response:
        return cached(read(), media, policy=_POLICY)

    name = path.strip("/").replace("/", "_").replace(".", "_").replace("-", "_")
    blueprint.add_url_rule(path, name, page)


def _asset(package: str, name: str) -> Callable[[], bytes]:
    return (files(package) / name).read_bytes


_OWN, _SWAGGER = "app.api.docs_page", "flask_swagger_ui.dist"

_add_page("/docs", "Return the page of this document.", HTML, _asset(_OWN, "index.html"))
for _package, _name, _kind, _media in (
    (_OWN, "start.js", "script", "text/javascript"),
    (_OWN, "page.css", "style sheet", "text/css"),
    (_SWAGGER, "swagger-ui.css", "style sheet", "text/css"),
    (_SWAGGER, "swagger-ui-bundle.js", "script", "text/javascript"),
):
    _summary = f"Return the {_kind} {_name} of the page at /docs."
    _add_page(f"/docs/{_name}", _summary, _media, _asset(_package, _name))
