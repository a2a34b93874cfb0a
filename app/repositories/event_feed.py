"""The change feed: events in the order of the transactions that wrote them.

A reader must not miss an event, so neither the time nor the id of events can order the feed: a
unit of work that began early may commit late, and a reader may already be past its events. The
feed is ordered by the writer's xid8, and ends before the oldest transaction that is still running
(the xmin of the snapshot). All databases of a server share that horizon: a transaction that stays
open in any of them stops the feed.

The feed is not in the order of one object's changes: a unit gets its xid8 with its first write,
and may then wait for a row that a unit with a later xid8 changes first. `object_version` has that
order.

A new server counts its transactions from the beginning. After a dump was restored, `flask db
restored` begins a new epoch; events are ordered by epoch first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, all_, bindparam, cast, func, literal_column, select, text
from sqlalchemy import tuple_ as row_

from app.db.repository.large_values import BUDGET, IS_READ, bounded
from app.models import Event
from app.models.events import CURRENT_EPOCH, EPOCHS
from app.models.types import TransactionId
from app.repositories.events import EventRepository

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection

    from app.db import Record


@dataclass(frozen=True, slots=True)
class Position:
    """The place in the feed after an event, with the epoch and the `xid` of its writer."""

    epoch: int
    xid: str
    id: UUID

    @classmethod
    def of(cls, event: Record) -> Self:
        """The place after an event that was read from the feed."""
        return cls(event["epoch"], event["xid"], event["id"])


START = Position(0, "0", UUID(int=0))

_EVENTS = Event.__table__
_ORDER = (_EVENTS.c.epoch, _EVENTS.c.xid, _EVENTS.c.id)
_AFTER = (
    bindparam("epoch", type_=_EVENTS.c.epoch.type),
    cast(bindparam("xid", type_=Text), TransactionId),
    bindparam("id", type_=Uuid),
)
# PostgreSQL evaluates a scalar subquery once, so that the scan of the index ends at the horizon.
_EPOCH_NOW: ColumnElement[int] = literal_column(f"(SELECT {CURRENT_EPOCH.text})")
_HORIZON = (_EPOCH_NOW, func.pg_snapshot_xmin(func.pg_current_snapshot()))

READ_FEED = bounded(
    select(*EventRepository().columns, _EVENTS.c.epoch, cast(_EVENTS.c.xid, Text).label("xid"))
    .where(
        row_(*_ORDER) > row_(*_AFTER),
        row_(_EVENTS.c.epoch, _EVENTS.c.xid) < row_(*_HORIZON),
        _EVENTS.c.object_type != all_(bindparam("hidden", type_=ARRAY(Text))),
    )
    .order_by(*_ORDER)
    .limit(bindparam("limit")),
    EventRepository().large_columns,
)

# The lock waits for all units that write events or read the feed, and makes new ones wait. Once it
# is held, all events of the epoch that ends are committed, and no reader has an older snapshot.
_LOCK = text("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
# nextval() would log values in advance, and a crash would skip some; setval() does not.
_BEGIN_EPOCH = text(f"SELECT setval('{EPOCHS.name}', {CURRENT_EPOCH.text} + 1)")


def read_feed(
    connection: Connection,
    after: Position,
    *,
    limit: int,
    most_bytes: int,
    hidden: Sequence[str] = (),
) -> list[Record]:
    """Up to `limit` events after a position, without those about the tables in `hidden`.

    The page ends with the event whose `changes` make its size exceed `most_bytes`. `changes` is
    the text of the JSON.
    """
    parameters = {
        "epoch": after.epoch,
        "xid": after.xid,
        "id": after.id,
        "hidden": list(hidden),
        "limit": limit,
        BUDGET: most_bytes,
    }
    rows = connection.execute(READ_FEED, parameters)
    return [record for row in rows if (record := row._asdict())[IS_READ]]


def begin_epoch(connection: Connection) -> int:
    """Begin a new epoch, in which events are ordered after all existing ones; returns its number.

    Locks the table of events until the unit of work ends.
    """
    connection.execute(_LOCK)
    epoch: int = connection.execute(_BEGIN_EPOCH).scalar_one()
    return epoch
