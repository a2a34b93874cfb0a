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
from app.services.kit.reads import read_one, read_page

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Connection

    from app.db import Page, Query, Record, Total


@dataclass(frozen=True, kw_only=True)
class EventService(Service):
    """The audit trail and the change feed.

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
        query = replace(query, written_ids=False)  # `_withhold` finds events by their ids
        if not self.actor.is_admin:
            query = replace(query, filters={**query.filters, "admins_only": False})
        with self.database.connect(read_only=True) as connection:
            page, counted = read_page(connection, self.events, query, total=total)
            self._withhold(connection, page.items)
            return page, counted

    @allowed(READERS)
    @retry
    def feed(self, after: Position, *, limit: int, most_bytes: int) -> list[Record]:
        """The next events that no open unit of work can still precede; see `read_feed`.

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
        """Order new events behind restored ones, after a dump was restored on another server.

        Transaction ids start low there, so the epoch comes before them in the order. Returns the
        new epoch.
        """
        with self.database.connect() as connection:
            return begin_epoch(connection)

    def _withhold(self, connection: Connection, events: Sequence[Record]) -> None:
        """Remove the personal values that this actor may not see.

        It reads after the events were read, so a row that is deleted in between counts as deleted.
        """
        if events and not self.actor.is_admin:
            withheld = withheld_changes(connection, [event["id"] for event in events])
            for event in events:
                event["changes"] = withheld.get(event["id"], event["changes"])
