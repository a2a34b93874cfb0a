"""Reads of one resource: the parts that a client asks for, and the ETag of just those."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.api.kit.context import in_snapshot, settings
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
    """Answer a read request. `state_of` returns the part that may differ while the version stays.

    The ETag of a selection is the digest of the body: expanded rows have versions of their own.
    """
    selected = selection(dump.schema, settings().max_answer)

    def read() -> tuple[Record, Record]:
        record = fetch()
        if selected.is_plain:
            return record, dump.one(record)
        (body,) = dump.selected([record], selected)
        return record, body

    record, body = in_snapshot(read) if selected.expand else read()
    number = dump.number_of(record)
    if not selected.is_plain:
        return respond_with(body, state=digest(body), version=record["version"], number=number)
    return respond_with(body, state=None if state_of is None else state_of(record), number=number)
