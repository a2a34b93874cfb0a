"""Small HTML pages without scripts, for a person who opens an address of the API in a browser."""

from __future__ import annotations

import gzip
from base64 import b64encode
from functools import lru_cache
from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING

import orjson
from flask import Response, request

from app.api.kit.contract import JSON

if TYPE_CHECKING:
    from collections.abc import Mapping

HTML = "text/html"
_WORTH_ZIPPING = 10_000  # bytes

_STYLE = """
:root { color-scheme: light dark }
body { font: 1rem/1.6 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem }
code, pre { font-family: ui-monospace, monospace; font-size: 0.9rem }
pre { overflow-x: auto; padding: 0.75rem 1rem; border: 1px solid; border-radius: 0.25rem }
dt { font-weight: bold; margin-top: 1rem }
dd { margin-left: 0 }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 1rem 0.25rem 0 }
"""
_LAYOUT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""
_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
# It allows just the style above and, by `img-src`, the icon.
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page(title: str, body: str) -> str:
    """A whole HTML document. `title` is text, `body` is HTML: the caller escapes the text in it."""
    return _LAYOUT.format(title=escape(title), body=body, style=_STYLE)


def json_or_page(data: Mapping[str, object], title: str, body: str) -> Response:
    """The page if the client's Accept prefers HTML to JSON, as browsers do; else the data.

    `*/*`, no Accept and an Accept that names neither get JSON. Declare the route with
    `answers(..., status=(200, 304), page=True)`.
    """
    if request.accept_mimetypes.best_match((JSON, HTML)) == HTML:
        response = cached(page(title, body).encode(), HTML, policy=_POLICY)
    else:
        response = cached(orjson.dumps(data), JSON)
    response.vary.add("Accept")
    return response


def cached(content: bytes, media: str, *, policy: str | None = None) -> Response:
    """An answer about nobody: a cache may keep it, and asks each time whether it is the same.

    It is compressed if the client takes gzip. `policy` is its Content-Security-Policy, where the
    one of all answers is too strict.
    """
    zipped = len(content) > _WORTH_ZIPPING and request.accept_encodings.quality("gzip") > 0
    response = Response(_zip(content) if zipped else content, mimetype=media)
    response.vary.add("Accept-Encoding")
    if zipped:
        response.headers["Content-Encoding"] = "gzip"
    response.add_etag()
    response.headers["Cache-Control"] = "no-cache"
    if policy is not None:
        response.headers["Content-Security-Policy"] = policy
    response.make_conditional(request)
    return response


@lru_cache(maxsize=8)
def _zip(content: bytes) -> bytes:
    """The same bytes for the same content: the ETag is their hash."""
    return gzip.compress(content, mtime=0)
