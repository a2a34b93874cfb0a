"""Reads of one row and of one page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.errors import NotFound

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Connection

    from app.db import Page, Query, Reader, Record, Total


def read_one(
    connection: Connection, repository: Reader[Any], key: UUID, *, include_deleted: bool = False
) -> Record:
    """The record with this id; raises NotFound."""
    record = repository.record(connection, key, include_deleted=include_deleted)
    if record is None:
        raise NotFound(repository.model.__tablename__, key)
    return record


def read_page(
    connection: Connection, repository: Reader[Any], query: Query, *, total: bool = False
) -> tuple[Page[Record], Total | None]:
    """A page, and with `total` how many rows the query has in all pages."""
    page = repository.records(connection, query)
    return page, repository.total(connection, query) if total else None
