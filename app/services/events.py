from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.db import retry
from app.errors import NotFound
from app.repositories.event_feed import Position, read_feed
from app.repositories.events import ADMINS_ONLY
from app.services.base import Service
from app.services.permissions import READERS, allowed
from app.services.reading import read_one, read_page

if TYPE_CHECKING:
    from uuid import UUID

    from app.repositories import Page, Query, Record, Total


@dataclass(frozen=True, kw_only=True)
class EventService(Service):
    """What was done, by whom; who may not see users and tokens does not see their events either."""

    @allowed(READERS)
    @retry
    def get(self, key: UUID) -> Record:
        with self.database.connect(read_only=True) as connection:
            event = read_one(connection, self.events, key)
        if event["object_type"] in ADMINS_ONLY and not self.actor.is_admin:
            raise NotFound("events", key)
        return event

    @allowed(READERS)
    @retry
    def page(self, query: Query, *, total: bool = False) -> tuple[Page[Record], Total | None]:
        if not self.actor.is_admin:
            query = replace(query, filters={**query.filters, "admins_only": False})
        with self.database.connect(read_only=True) as connection:
            return read_page(connection, self.events, query, total=total)

    @allowed(READERS)
    @retry
    def feed(self, after: Position, *, limit: int) -> tuple[list[Record], Position]:
        """The next events in the order in which they became final, and where they end."""
        hidden = () if self.actor.is_admin else ADMINS_ONLY
        with self.database.connect(read_only=True) as connection:
            return read_feed(connection, after, limit=limit, hidden=hidden)
