"""Lists over HTTP: each parameter is declared, each page has the cursor of the next one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flask import current_app, jsonify, request
from unitwork import Query, Sort
from unitwork.listing import Cursors, parse_filter, parse_integer, parse_sort

if TYPE_CHECKING:
    from flask import Response
    from marshmallow import Schema
    from unitwork import Page, Reader, Record

_LIMITS = range(1, 101)
_OWN = {"q", "sort", "limit", "after"}


def read_query(reader: Reader[Any], default: Sort) -> Query:
    """The query that the request asks for; raises InvalidCriterion for what is not declared.

    Parameters: `q` (words), `sort`, `limit`, `after` (`next` of a page), and filters such as
    `title__contains`.
    """
    given = request.args
    query = Query(
        {name: parse_filter(reader, name, given[name]) for name in given if name not in _OWN},
        search=given.get("q"),
        sort=parse_sort(reader, given["sort"]) if "sort" in given else (default,),
        limit=parse_integer("limit", given.get("limit", "25"), _LIMITS),
    )
    if "after" not in given:
        return query
    return replace(query, after=_cursors().after(given["after"], query, reader, request.path))


def list_response(schema: Schema, page: Page[Record], query: Query) -> Response:
    following = None if page.next is None else _cursors().of(page.next, query, request.path)
    return jsonify(items=schema.dump(page.items, many=True), next=following)


def _cursors() -> Cursors:
    cursors: Cursors = current_app.extensions["cursors"]
    return cursors
