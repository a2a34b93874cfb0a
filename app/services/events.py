from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.db import retry
from app.domain.actors import ADMINS_ONLY
from app.errors import NotFound
from app.repositories.event_feed import Position, begin_epoch, read_feed
from app.repositories.event_withheld_values import withheld_changes
from app.services.kit.base import Service
from app.services.kit.permissions import READERS, SYSTEM_ONLY, allowed
from app.services.kit.reading import read_one, read_page

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Connection

    from app.db import Page, Query, Record, Total


@dataclass(frozen=True, kw_only=True)
class EventService(Service):
    """What was done, by whom.

    Only admins see events of users and tokens, and personal values of deleted rows.
    """

    @allowed(READERS)
    @retry
    def get(self, key: UUID) -> Record:
        with self.database.connect(read_only=True) as connection:
            event = read_one(connection, self.events, key)
            if event["object_type"] in ADMINS_ONLY and not self.actor.is_admin:
                raise NotFound("events", key)
            self._withhold(connection, [event])
            return event

    @allowed(READERS)
    @retry
    def page(self, query: Query, *, total: bool = False) -> tuple[Page[Record], Total | None]:
        if not self.actor.is_admin:
            query = replace(query, filters={**query.filters, "admins_only": False})
        with self.database.connect(read_only=True) as connection:
            page, counted = read_page(connection, self.events, query, total=total)
            self._withhold(connection, page.items)
            return page, counted

    @allowed(READERS)
    @retry
    def feed(self, after: Position, *, limit: int, most_bytes: int) -> list[Record]:
        """The next events that are final, as many as `read_feed` says. None is ever skipped.

        A replica may answer: its horizon is that of the transactions that it has replayed, so it
        skips none either, and shows events later than the primary.
        """
        hidden = () if self.actor.is_admin else ADMINS_ONLY
        with self.database.connect(read_only=True, stale_ok=True) as connection:
            events = read_feed(connection, after, limit=limit, most_bytes=most_bytes, hidden=hidden)
            self._withhold(connection, events)
            return events

    @allowed(SYSTEM_ONLY)
    @retry
    def begin_epoch(self) -> int:
        """After a dump was restored: order new events behind restored ones, although this server
        counts its transactions from the beginning. Returns the epoch, which only ever grows."""
        with self.database.connect() as connection:
            return begin_epoch(connection)

    def _withhold(self, connection: Connection, events: Sequence[Record]) -> None:
        """Take out the personal values that this actor may not see.

        It reads after the events were read, so a row that is deleted in between counts as deleted.
        """
        if events and not self.actor.is_admin:
            withheld = withheld_changes(connection, [event["id"] for event in events])
            for event in events:
                event["changes"] = withheld.get(event["id"], event["changes"])
