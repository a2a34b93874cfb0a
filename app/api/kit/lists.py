"""Lists: what a client may ask for, and the page as JSON with the cursor of the next."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from flask import request

from app.api.kit import context, parameters
from app.api.kit.context import cursors
from app.api.kit.responses import respond, within_answer
from app.api.kit.selection import SELECTION, selection
from app.db import Query
from app.db.listing import parse_boolean, parse_filter, parse_sort
from app.db.repository.criteria import split
from app.db.repository.search.full_text import BY_RANK, FullText

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

    from app.api.kit.dumper import Dumper
    from app.db import Page, Reader, Record, Total

_CONTROLS = ("limit", "cursor", "sort", "q", "include_total", "include_deleted", *SELECTION)


def list_response(
    reader: Reader[Any],
    fetch: Callable[..., tuple[Page[Record], Total | None]],
    dump: Dumper,
    *,
    within: str | None = None,
    sort: str | None = None,
) -> Response:
    """Answer a list request: `fetch(query, total=...)` gets the page.

    `within` is the field that the path has fixed already, `sort` the order where none is asked for.
    """
    given = parameters.read_parameters()
    if within is not None:
        parameters.check_known(given, [name for name in given if split(name)[0] != within])
    selected = selection(given, dump.schema)
    query = replace(
        _query({"sort": sort, **given} if sort is not None else given, reader),
        most_bytes=dump.budget(selected),
        without=dump.unselected(reader, selected),
    )
    wants_total = parse_boolean("include_total", given.get("include_total", "false"))

    def read() -> tuple[Page[Record], Total | None, list[dict[str, Any]]]:
        page, total = fetch(query, total=wants_total)
        return page, total, dump.selected(page.items, selected, searched="q" in given)

    page, total, items = context.at_one_moment(read, needed=bool(selected.expand))
    written = within_answer(items)
    body: dict[str, Any] = {"items": written, "next_cursor": None}
    headers = {}
    following_row = page.next
    if len(written) < len(page.items):
        following_row = query.after_row(page.items[len(written) - 1].__getitem__)
    if following_row is not None:
        body["next_cursor"] = cursor = cursors().of(following_row, query, request.path)
        following = urlencode({**given, "cursor": cursor})
        headers["Link"] = f'<{request.path}?{following}>; rel="next"'
    if total is not None:
        body["total"] = total.count
        if total.is_estimate:
            body["total_is_estimate"] = True
    return respond(body, headers=headers)


def _query(given: dict[str, str], reader: Reader[Any]) -> Query:
    query = Query(
        filters={
            name: parse_filter(reader, name, text)
            for name, text in given.items()
            if name not in _CONTROLS
        },
        limit=parameters.limit(given.get("limit")),
    )
    if "q" in given:
        if reader.searched is None:
            parameters.check_known(["q"], [])
        query = replace(query, search=parameters.search(given["q"]))
        if isinstance(reader.searched, FullText):
            query = replace(query, sort=BY_RANK)
    if "sort" in given:
        query = replace(query, sort=parse_sort(reader, given["sort"]))
    if "include_deleted" in given:
        if not hasattr(reader.model, "deleted_at"):
            parameters.check_known(["include_deleted"], [])
        wanted = parse_boolean("include_deleted", given["include_deleted"])
        query = replace(query, include_deleted=wanted)
    if "cursor" in given:
        query = replace(query, after=cursors().after(given["cursor"], query, reader, request.path))
    return query
