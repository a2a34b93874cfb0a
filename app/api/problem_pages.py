"""What each problem means: the pages to which the `type` of a problem refers."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any

from flask import Blueprint

from app.api.kit.access import allow
from app.api.kit.contract import answers
from app.api.kit.pages import json_or_page
from app.api.problem_types import PROBLEM_TYPES, ProblemType
from app.api.schemas.problem_types import ProblemTypeSchema
from app.errors import NotFound

if TYPE_CHECKING:
    from flask import Response

blueprint = Blueprint("problems", __name__, url_prefix="/")
_schema = ProblemTypeSchema()

_LIST = """<p>Every error is answered as <code>application/problem+json</code> (RFC 9457). Its
<code>type</code> is one of these addresses.</p>
<table><thead><tr><th>status</th><th>problem</th><th>meaning</th></tr></thead>
<tbody>
{rows}
</tbody></table>"""
_ROW = '<tr><td>{status}</td><td><a href="problems/{code}">{code}</a></td><td>{meaning}</td></tr>'
_ONE = """<p>Status {status}, <code>{code}</code>.</p>
<h2>What it means</h2>
<p>{meaning}</p>
<h2>What to do</h2>
<p>{what_to_do}</p>
<h2>An example</h2>
<pre>{example}</pre>
<p><a href="../problems">All problems</a></p>"""


@blueprint.get("/problems")
@allow(None)
@answers(ProblemTypeSchema, status=(200, 304), many=True, page=True)
def problems() -> Response:
    """List the problems.

    Returns each kind of problem that a response may be, as JSON, or as a page if Accept prefers
    HTML.
    """
    kinds = sorted(PROBLEM_TYPES.values(), key=lambda kind: (kind.status, kind.code))
    rows = "\n".join(_ROW.format_map(_as_html(kind)) for kind in kinds)
    data = {"items": [_schema.dump(kind) for kind in kinds]}
    return json_or_page(data, "Problems", _LIST.format(rows=rows))


@blueprint.get("/problems/<code>")
@allow(None)
@answers(ProblemTypeSchema, status=(200, 304), page=True)
def problem(code: str) -> Response:
    """Explain a problem.

    Returns what it means and what to do, as JSON, or as a page if Accept prefers HTML.
    """
    kind = PROBLEM_TYPES.get(code)
    if kind is None:
        raise NotFound("problems", code)
    return json_or_page(_schema.dump(kind), kind.title, _ONE.format_map(_as_html(kind)))


def _as_html(kind: ProblemType) -> dict[str, Any]:
    example = json.dumps(kind.example_body, indent=2, ensure_ascii=False)
    return {
        "status": kind.status,
        "code": kind.code,
        "meaning": escape(kind.meaning),
        "what_to_do": escape(kind.what_to_do),
        "example": escape(example),
    }
