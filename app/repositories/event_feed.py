"""The events in the order of their writers' transactions, for readers who must miss none.

Neither the time nor the id of an event will do: a unit of work that began early may commit late,
and its events would appear behind a reader's back. So the feed is ordered by the writer's xid8,
and ends before the oldest transaction that is still running (the xmin of the snapshot). That
horizon is the whole server's: a transaction left open anywhere holds the feed back. A restore of
a dump restarts the ids of transactions: a reader then starts from the beginning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import ARRAY, Integer, Text, Uuid, bindparam, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from app.repositories.reading import Record


@dataclass(frozen=True, slots=True)
class Position:
    """Behind the event with this id, written by the transaction `xid`."""

    xid: str
    id: UUID


START = Position("0", UUID(int=0))


READ_FEED = text(
    """
    SELECT e.id, e.occurred_at, e.occurred_at AS created_at, e.occurred_at AS updated_at,
           1 AS version, e.actor_kind, e.actor_id, e.actor_name, e.action, e.object_type,
           e.object_id, e.changes || coalesce(p.changes, '{}') AS changes, e.request_id,
           e.xid::text AS xid
    FROM events e LEFT JOIN event_personal_values p ON p.event_id = e.id
    WHERE (e.xid, e.id) > (CAST(:xid AS xid8), :id)
      AND e.xid < pg_snapshot_xmin(pg_current_snapshot())
      AND e.object_type <> ALL (:hidden)
    ORDER BY e.xid, e.id
    LIMIT :limit
    """
).bindparams(
    bindparam("xid", type_=Text),
    bindparam("id", type_=Uuid),
    bindparam("hidden", type_=ARRAY(Text)),
    bindparam("limit", type_=Integer),
)


def read_feed(
    connection: Connection, after: Position, *, limit: int, hidden: Sequence[str] = ()
) -> tuple[list[Record], Position]:
    """Up to `limit` events behind `after`, without those of `hidden` types, and where they end."""
    parameters = {"xid": after.xid, "id": after.id, "hidden": list(hidden), "limit": limit}
    records = [row._asdict() for row in connection.execute(READ_FEED, parameters)]
    end = Position(records[-1]["xid"], records[-1]["id"]) if records else after
    return records, end
