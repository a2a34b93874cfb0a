"""`GET /`, for a person who opens the address of the service for the first time."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from flask import Blueprint, request

from app.api.kit.access import allow
from app.api.kit.contract import answers
from app.api.kit.pages import json_or_page
from app.api.kit.responses import no_content
from app.api.schemas.start import StartSchema

if TYPE_CHECKING:
    from flask import Response

blueprint = Blueprint("start", __name__, url_prefix="/")

_NAME = "Caseload"
_DESCRIPTION = (
    "The system of record behind a support desk at a regulated firm: customers with their "
    "accounts and money, their conversations, and the tasks that people and AI agents work on. "
    "Every change is one database transaction, with its audit event."
)
_TOKEN = "flask tokens create --user EMAIL"  # noqa: S105 - the command, not a token
_TOUR = "docs/tour.md"
_DATA = {
    "name": _NAME,
    "description": _DESCRIPTION,
    "documentation": "/docs",
    "openapi": "/openapi.json",
    "api": "/v1",
    "live": "/livez",
    "ready": "/readyz",
    "token": _TOKEN,
    "tour": _TOUR,
}
_BODY = """<p>{description}</p>
<h2>Where to go on</h2>
<dl>
<dt><a href="docs">The API</a></dt>
<dd>Every operation, to read and to try out in the browser.</dd>
<dt>A token</dt>
<dd>Every request to <code>/v1</code> needs one. An administrator creates it on the server, and the
command prints it once:
<pre>{token}</pre>
After <code>make run</code>, in the same folder, for a user of the demo:
<pre>TOKEN=$(.venv/bin/flask tokens create --user ada@demo.example)</pre></dd>
<dt>A first request</dt>
<dd>The user to whom the token belongs:
<pre>curl -H "Authorization: Bearer $TOKEN" {first}</pre></dd>
<dt>A tour</dt>
<dd><code>{tour}</code>, in the folder of Caseload, leads from an empty database to a refund, in
curl.</dd>
<dt><a href="openapi.json">OpenAPI 3.1</a></dt>
<dd>The same API for programs, such as generators of clients.</dd>
<dt>Health</dt>
<dd><a href="livez">/livez</a>: the process answers. <a href="readyz">/readyz</a>: so does the
database, and its schema is the right one.</dd>
</dl>"""


@blueprint.get("/")
@allow(None)
@answers(StartSchema, status=(200, 304), page=True)
def start() -> Response:
    """Introduce the service.

    Returns the paths to go on from, as JSON, or as a page if Accept prefers HTML.
    """
    first = escape(f"{request.host_url}v1/me" if request.host else "/v1/me")
    body = _BODY.format(description=_DESCRIPTION, token=_TOKEN, tour=_TOUR, first=first)
    return json_or_page(_DATA, _NAME, body)


@blueprint.get("/favicon.ico")
@allow(None)
@answers(status=204)
def favicon() -> Response:
    """Return no icon.

    Browsers ask for one by themselves, and would report a 404 on their console.
    """
    response = no_content()
    response.headers["Cache-Control"] = "max-age=86400"
    return response
