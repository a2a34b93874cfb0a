"""Many new rows of a resource in one call."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from uuid_utils.compat import uuid7

from app.db import retry
from app.db.errors import Invalid, Mistake
from app.errors import AlreadyExists
from app.repositories.new_row_events import Creation, events_along
from app.services.kit.base import Service
from app.services.kit.json_limits import json_mistakes
from app.services.kit.permissions import allowed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from app.db import BulkWriter, Record
    from app.services.kit.fields import Fields

    Items = Sequence[Fields]

N = TypeVar("N")


@dataclass(frozen=True, kw_only=True)
class BulkAdds(Service, Generic[N]):
    """For a service with rules of its own; `N` is what a new row is made from."""

    repository: BulkWriter[Any]

    @abstractmethod
    def create_many(self, items: Sequence[N]) -> list[Record]:
        """Create all or none; returns the new rows as they are read."""

    def _add_many(self, items: Items) -> list[Record]:
        """Insert all or none, in as many statements as one takes; raises mistakes by index."""
        model = self.repository.model
        self._check_all_json(items)
        with self.database.connect() as connection:
            self.check_all_live(connection, items)
            self._check_all_unique(connection, items)
            keys = [uuid7() for _ in items]
            rows = [{**item, "id": key} for item, key in zip(items, keys, strict=True)]
            actor, events = self.actor, {key: uuid7() for key in keys}
            creation = Creation(actor.kind, actor.id, actor.name, self.request_id, events)
            along = events_along(model, creation)
            return self.repository.insert_many(connection, rows, returning=True, along=along)

    def check_all_live(self, connection: Connection, items: Items) -> None:
        """`Writes.check_live` for many new rows: the same rules, checked by a few statements."""
        check_known(self.repository.missing_among(connection, items))

    def _check_all_json(self, items: Items) -> None:
        model = self.repository.model
        mistakes = (
            replace(mistake, path=path_of((at, mistake.path[0])))
            for at, item in enumerate(items)
            for mistake in json_mistakes(self.rules, model, item)
        )
        if (invalid := Invalid(mistakes)).mistakes:
            raise invalid

    def _check_all_unique(self, connection: Connection, items: Items) -> None:
        if taken := self.repository.taken_among(connection, items):
            fields = tuple(sorted({field for _, field in taken}))
            resource = self.repository.model.__tablename__
            raise AlreadyExists(resource, fields).at(*map(path_of, taken))


@dataclass(frozen=True, kw_only=True)
class BulkService(BulkAdds["Fields"]):
    @allowed("writers")
    @retry
    def create_many(self, items: Items) -> list[Record]:
        """Create rows with these fields of the model, all or none; returns them as read."""
        return self._add_many(items)


def check_known(missing: Iterable[tuple[int, str]]) -> None:
    """Raises Invalid for references to missing rows, each by its position and field."""
    detail = "It refers to a row that does not exist."
    if mistakes := [Mistake(path_of(each), "unknown-reference", detail) for each in missing]:
        raise Invalid(mistakes)


def path_of(place: tuple[int, str | int]) -> tuple[str | int, ...]:
    return ("items", *place)
