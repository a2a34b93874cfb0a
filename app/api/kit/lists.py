"""Lists: reads the filters, sort and cursor of the query string, and writes the page as JSON."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from app.api.kit import parameters
from app.api.kit.context import current_request, cursors, in_snapshot, request_data, settings
from app.api.kit.json_response import JSONResponse
from app.api.kit.responses import write_page
from app.api.kit.selection import SELECTION, selection
from app.db import Query
from app.db.errors import InvalidCriterion
from app.db.listing import parse_filter, parse_sort
from app.db.repository.criteria import split
from app.db.repository.search.full_text import BY_RANK, FullText

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

    from app.api.kit.contract import AnyReader
    from app.api.kit.dumper import Dumper
    from app.api.kit.selection import Selection
    from app.db import Page, Record, Sort, Total
    from app.settings import Settings

    Fetch = Callable[..., tuple[Page[Record], Total | None]]

_NEWEST_FIRST = Query().sort
_CONTROLS = ("limit", "cursor", "sort", "q", "include_total", "include_deleted", *SELECTION)


def list_response(
    reader: AnyReader,
    fetch: Fetch,
    dump: Dumper,
    *,
    within: str | None = None,
    sort: str | None = None,
) -> Response:
    """Answer a list request: `fetch(query, total=...)` reads the page.

    `within` is a field whose value the path names, `sort` the order where none is asked for.
    """
    given, path = request_data().parameters, current_request().path
    if within is not None:
        parameters.check_known(given, [name for name in given if split(name)[0] != within])
    limits = settings()
    selected = selection(dump.schema, limits.max_answer)
    sorted_ = given if sort is None else {"sort": sort, **given}
    query = _query(sorted_, reader, limits, dump, selected)
    if "cursor" in given:
        query = replace(query, after=cursors().after(given["cursor"], query, reader, path))
    wants_total = parameters.flag("include_total")

    def read() -> tuple[Page[Record], Total | None, list[Record]]:
        page, total = fetch(query, total=wants_total)
        return page, total, dump.selected(page.items, selected, searched="q" in given)

    page, total, items = in_snapshot(read) if selected.expand else read()

    def rest(shown: int) -> Record:
        return {"next_cursor": _next_cursor(page, shown, query, path), **_total(total)}

    body, written = write_page(items, limits.max_answer, rest)
    return JSONResponse(body, headers=_link(given, path, written["next_cursor"]))


def _query(
    given: dict[str, str],
    reader: AnyReader,
    limits: Settings,
    dump: Dumper,
    selected: Selection,
) -> Query:
    _check_controls(given, reader)
    return Query(
        filters={
            name: parse_filter(reader, name, text)
            for name, text in given.items()
            if name not in _CONTROLS
        },
        search=parameters.search(given["q"]) if "q" in given else None,
        sort=_sort(reader, given),
        limit=parameters.limit(limits),
        include_deleted=parameters.flag("include_deleted"),
        most_bytes=selected.budget,
        without=dump.unselected(reader, selected),
        written_ids=not selected.expand,
    )


def _next_cursor(page: Page[Record], shown: int, query: Query, path: str) -> str | None:
    """The cursor of the rows after those that are shown; None where there are none."""
    place = page.next
    if shown < len(page.items):  # a response has no room for the others
        place = query.after_row(page.items[shown - 1].__getitem__)
    return None if place is None else cursors().of(place, query, path)


def _total(total: Total | None) -> dict[str, object]:
    if total is None:
        return {}
    return {"total": total.count, **({"total_is_estimate": True} if total.is_estimate else {})}


def _link(given: dict[str, str], path: str, cursor: str | None) -> list[tuple[str, str]]:
    if cursor is None:
        return []
    query = parameters.query_string({**given, "cursor": cursor})
    return [("Link", f'<{path}?{query}>; rel="next"')]


def _check_controls(given: dict[str, str], reader: AnyReader) -> None:
    """Raises InvalidCriterion for a parameter that only other lists have."""
    if "q" in given and reader.searched is None:
        raise InvalidCriterion("q", "There is no such parameter.")
    if "include_deleted" in given and not hasattr(reader.model, "deleted_at"):
        raise InvalidCriterion("include_deleted", "There is no such parameter.")


def _sort(reader: AnyReader, given: dict[str, str]) -> tuple[Sort, ...]:
    if "sort" in given:
        return parse_sort(reader, given["sort"])
    return BY_RANK if "q" in given and isinstance(reader.searched, FullText) else _NEWEST_FIRST
