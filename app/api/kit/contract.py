"""What a route takes and answers, declared beside it: what the OpenAPI document is made from."""

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

    from app.db import Reader
    from app.db.errors import ApplicationError
    from app.services.kit.base import Service

    View = TypeVar("View", bound=Callable[..., Any])
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
"""What may come of asking the database at all."""
IDEMPOTENCY = (AnswerGone, IdempotencyInProgress, KeyReused)
"""What may come of a POST with a key."""


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
    reader: Reader[Any] | None = None
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
    """Put beside `allow`. Name the problems that its path, roles and body don't tell already."""
    statuses = (status,) if isinstance(status, int) else status
    return _declare(Contract(schemas, statuses, body, problems, media=media, many=many, page=page))


def lists(
    schema: type[Schema], reader: Reader[Any], *, within: str | None = None
) -> Callable[[View], View]:
    """Put beside `allow`: the answer is a page, and the filters and sorts are the reader's."""
    return _declare(Contract((schema,), reader=reader, within=within))


def documented(summary: str, description: str) -> Callable[[View], View]:
    """The docstring of a view that is made for each resource."""

    def declare(view: View) -> View:
        view.__doc__ = f"{summary}\n\n{description}"
        return view

    return declare


def _declare(contract: Contract) -> Callable[[View], View]:
    def declare(view: View) -> View:
        view.contract = contract  # type: ignore[attr-defined] # read by contract_of
        return view

    return declare


def contract_of(view: Callable[..., Any]) -> Contract | None:
    return getattr(view, "contract", None)


def repository_of(kind: type[Service]) -> Reader[Any]:
    """The `repository` that the service's class names as its default."""
    return cast("Reader[Any]", cast("Any", kind).repository)


def conflicts_of(repository: Reader[Any], schema: Schema, action: str) -> Problems:
    """Those that an action of every resource may meet, read off its table."""
    table: Any = repository.model.__table__
    found: Problems = (NotDeleted,) if action == "restore" else ()
    if action != "delete" and any(_is_given(index, schema) for index in table.indexes):
        found += (AlreadyExists,)
    if action == "delete" and isinstance(repository, Deleter) and repository.may_be_in_use:
        found += (InUse,)
    if action == "restore" and table.foreign_keys:
        found += (ParentDeleted,)
    return found


def _is_given(index: Any, schema: Schema) -> bool:
    """Whether clients set what has to be unique."""
    names = index.info.get("fields") or index.columns.keys()
    return index.unique and not schema.load_fields.keys().isdisjoint(names)
