"""The requests and responses of a route, declared with it, for the OpenAPI document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from app.db import Deleter
from app.db.errors import (
    ConnectionLost,
    Contention,
    DatabaseUnreachable,
    LockTimeout,
    PoolExhausted,
    StatementCancelled,
    StatementTimeout,
)
from app.domain.idempotency import AnswerGone, IdempotencyInProgress, KeyReused
from app.errors import AlreadyExists, InUse, NotDeleted, ParentDeleted

if TYPE_CHECKING:
    from collections.abc import Callable

    from marshmallow import Schema
    from sqlalchemy import Index

    from app.db import Reader
    from app.db.errors import ApplicationError
    from app.services.kit.base import Service

    AnyReader = Reader[Any]
    View = TypeVar("View", bound=Callable[..., object])
    Problems = tuple[type[ApplicationError], ...]

JSON = "application/json"
UNAVAILABLE = (
    DatabaseUnreachable,
    ConnectionLost,
    PoolExhausted,
    StatementTimeout,
    StatementCancelled,
    LockTimeout,
    Contention,
)
"""Errors of every request that uses the database."""
IDEMPOTENCY = (AnswerGone, IdempotencyInProgress, KeyReused)
"""Errors of every POST with an Idempotency-Key."""


@dataclass(frozen=True, slots=True)
class Contract:
    """`answer` is one of these schemas, or nothing; `reader` makes it a list of it.

    With `many`, body and answer are `items` of their schemas. With `page`, a client that prefers
    HTML gets a page instead (`app/api/kit/pages.py`).
    """

    answer: tuple[type[Schema], ...] = ()
    statuses: tuple[int, ...] = (200,)
    body: type[Schema] | None = None
    problems: Problems = ()
    reader: AnyReader | None = None
    within: str | None = None
    media: str = JSON
    many: bool = False
    page: bool = False


def answers(
    *schemas: type[Schema],
    status: int | tuple[int, ...] = 200,
    body: type[Schema] | None = None,
    problems: Problems = (),
    media: str = JSON,
    many: bool = False,
    page: bool = False,
) -> Callable[[View], View]:
    """Put beside `allow`. Name the problems that its path, roles and body do not imply."""
    statuses = (status,) if isinstance(status, int) else status
    return _declare(Contract(schemas, statuses, body, problems, media=media, many=many, page=page))


def lists(
    schema: type[Schema], reader: AnyReader, *, within: str | None = None
) -> Callable[[View], View]:
    """Put beside `allow`: the answer is a page, and the filters and sorts are the reader's."""
    return _declare(Contract((schema,), reader=reader, within=within))


def documented(summary: str, description: str) -> Callable[[View], View]:
    """Set the docstring of a view that each resource has."""

    def declare(view: View) -> View:
        view.__doc__ = f"{summary}\n\n{description}"
        return view

    return declare


def _declare(contract: Contract) -> Callable[[View], View]:
    def declare(view: View) -> View:
        view.contract = contract  # type: ignore[attr-defined] # read by contract_of
        return view

    return declare


def contract_of(view: Callable[..., object]) -> Contract | None:
    return getattr(view, "contract", None)


def repository_of(kind: type[Service]) -> AnyReader:
    """The `repository` that the service's class names as its default."""
    return cast("AnyReader", kind.repository)  # type: ignore[attr-defined] # a field of those with rows


def conflicts_of(repository: AnyReader, schema: Schema, action: str) -> Problems:
    """Those that an action of every resource may meet, read off its table."""
    table = repository.model.__table__
    found: Problems = (NotDeleted,) if action == "restore" else ()
    if action != "delete" and any(_is_given(index, schema) for index in table.indexes):
        found += (AlreadyExists,)
    if action == "delete" and isinstance(repository, Deleter) and repository.may_be_in_use:
        found += (InUse,)
    if action == "restore" and table.foreign_keys:
        found += (ParentDeleted,)
    return found


def _is_given(index: Index, schema: Schema) -> bool:
    """Whether clients set a field that has to be unique."""
    names = index.info.get("fields") or index.columns.keys()
    return bool(index.unique) and not schema.load_fields.keys().isdisjoint(names)
