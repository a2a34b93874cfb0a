"""Reads of one resource: what a client asks to be shown of it, and the ETag of just that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.api.kit import context, parameters
from app.api.kit.responses import digest, respond_with
from app.api.kit.selection import selection

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

    from app.api.kit.dumper import Dumper
    from app.db import Record


def read_response(
    dump: Dumper,
    fetch: Callable[[], Record],
    state_of: Callable[[Record], object] | None = None,
) -> Response:
    """Answer a read request. `state_of` tells what may differ while the version stays.

    Of anything but the plain answer that is all of it: what is expanded has versions of its own.
    """
    selected = selection(parameters.read_parameters(), dump.schema)

    def read() -> tuple[Record, dict[str, Any]]:
        record = fetch()
        (body,) = dump.selected([record], selected)
        return record, body

    record, body = context.at_one_moment(read, needed=bool(selected.expand))
    number = dump.number_of(record)
    if not selected.is_plain:
        return respond_with(body, state=digest(body), version=record["version"], number=number)
    return respond_with(body, state=None if state_of is None else state_of(record), number=number)
