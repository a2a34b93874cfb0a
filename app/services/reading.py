"""Reads that need no more than their repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from app.db import Database
    from app.repositories import Page, Query, Reader, Record, Total


def read_one(
    database: Database, repository: Reader[Any], key: UUID, *, include_deleted: bool = False
) -> Record:
    with database.connect(read_only=True) as connection:
        record = repository.record(connection, key, include_deleted=include_deleted)
    if record is None:
        raise NotFound(repository.model.__tablename__, key)
    return record


def read_many(
    database: Database, repository: Reader[Any], keys: Collection[UUID]
) -> dict[UUID, Record]:
    with database.connect(read_only=True) as connection:
        return repository.by_id(connection, keys) if keys else {}


def read_page(
    database: Database, repository: Reader[Any], query: Query, *, total: bool = False
) -> tuple[Page[Record], Total | None]:
    with database.connect(read_only=True) as connection:
        page = repository.records(connection, query)
        return page, repository.total(connection, query) if total else None
