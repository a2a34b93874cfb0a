"""The reading verbs of a resource: one row by its id, some by their ids, a page, one by filters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from app.db import Resource, retry
from app.domain.actors import ActorKind
from app.errors import Forbidden, NotFound
from app.services.kit.base import Service
from app.services.kit.permissions import allowed

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from sqlalchemy import Connection

    from app.db import Page, Query, Reader, Record, Total

R = TypeVar("R", bound=Resource)


@dataclass(frozen=True, kw_only=True)
class Reads(Service, Generic[R]):
    """An agent reads only what `visible_to_agent` returns."""

    repository: Reader[R]
    open_to_agents: ClassVar[bool] = False  # True: agents see every row

    @property
    def model(self) -> type[R]:
        return self.repository.model

    @allowed("readers")
    @retry
    def get(self, key: UUID, *, include_deleted: bool = False) -> Record:
        """Raises NotFound, and Forbidden where the actor may not see the row."""
        self.require_admin_for_deleted(include_deleted=include_deleted)
        with self.database.connect(read_only=True) as connection:
            self.require_visible(connection, key)
            return read_one(connection, self.repository, key, include_deleted=include_deleted)

    @allowed("readers")
    @retry
    def get_many(
        self, keys: Collection[UUID], *, most_bytes: int | None = None
    ) -> dict[UUID, Record | None]:
        """The live rows with these ids that the actor may see, by id.

        With `most_bytes`, rows are read in the order of the keys until large values exceed it, and
        None stands for the others. JSON among large values then comes as PostgreSQL wrote it.
        """
        if not keys:
            return {}
        with self.database.connect(read_only=True) as connection:
            visible = self._visible(connection, keys)
            wanted = [key for key in keys if key in visible]
            return self.repository.by_id(connection, wanted, most_bytes) if wanted else {}

    @allowed("listers")
    @retry
    def find(self, /, **filters: Any) -> R | None:
        """The one live row that fits the filters."""
        with self.database.session(read_only=True) as session:
            return self.repository.find(session, **filters)

    @allowed("listers")
    @retry
    def page(self, query: Query, *, total: bool = False) -> tuple[Page[Record], Total | None]:
        """A page of the list, and with `total` how many rows the whole list has."""
        self.require_admin_for_deleted(include_deleted=query.include_deleted)
        with self.database.connect(read_only=True) as connection:
            return read_page(connection, self.repository, query, total=total)

    def require_visible(self, connection: Connection, key: UUID) -> None:
        """Raises Forbidden, also where an agent asks for a row that does not exist."""
        if key not in self._visible(connection, [key]):
            raise Forbidden("None of the agent's tasks refers to this.")

    def visible_to_agent(self, connection: Connection, keys: Collection[UUID]) -> Collection[UUID]:  # noqa: ARG002 - overrides use it
        """The ids among `keys` that the acting agent may see, found by one statement."""
        return keys if self.open_to_agents else ()

    def _visible(self, connection: Connection, keys: Collection[UUID]) -> Collection[UUID]:
        is_agent = self.actor.kind is ActorKind.AGENT
        return self.visible_to_agent(connection, keys) if is_agent and keys else keys


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
