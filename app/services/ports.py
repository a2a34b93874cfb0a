"""What a service needs of its repository. Ours satisfy it; so can one over another storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from app.models.base import Resource

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from app.repositories import Page, Query, Record, Total
    from app.repositories.base import Changes

R = TypeVar("R", bound=Resource)


class ReadingRepository(Protocol):
    """The handles are passed through as they are: a storage without them may ignore them."""

    @property
    def model(self) -> type[Any]: ...

    def record(
        self, connection: Connection, key: Any, *, include_deleted: bool = False
    ) -> Record | None: ...

    def by_id(self, connection: Connection, keys: Collection[Any]) -> dict[Any, Record]: ...

    def records(self, connection: Connection, query: Query) -> Page[Record]: ...

    def total(self, connection: Connection, query: Query) -> Total: ...


class ResourceRepository(ReadingRepository, Protocol[R]):
    def get(self, session: Session, key: Any, *, lock: bool = False) -> R | None: ...

    def find(self, session: Session, **filters: Any) -> R | None: ...

    def add(self, session: Session, entity: R) -> R: ...

    def update(
        self,
        session: Session,
        entity: R,
        values: Mapping[str, Any],
        *,
        expected: Collection[int] | None = None,
    ) -> Changes: ...

    def exists(self, connection: Connection, key: Any) -> bool: ...

    def soft_delete(
        self, connection: Connection, key: Any, *, expected: Collection[int] | None = None
    ) -> Record | None: ...

    def restore(
        self, connection: Connection, key: Any, *, expected: Collection[int] | None = None
    ) -> Record | None: ...

    def dependants(self, connection: Connection, key: Any) -> list[str]: ...

    def missing_references(
        self, connection: Connection, values: Mapping[str, Any]
    ) -> list[str]: ...


class BulkRepository(Protocol):
    @property
    def model(self) -> type[Any]: ...

    def create_many(
        self, connection: Connection, rows: Sequence[Mapping[str, Any]]
    ) -> list[Record]: ...

    def missing_among(
        self,
        connection: Connection,
        rows: Sequence[Mapping[str, Any]],
        only: Collection[str] | None = None,
    ) -> list[tuple[int, str]]: ...

    def taken_among(
        self, connection: Connection, rows: Sequence[Mapping[str, Any]]
    ) -> list[tuple[int, str]]: ...
