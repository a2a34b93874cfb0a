"""The events in the order of their writers' transactions, for readers who must miss none.

Neither the time nor the id of an event will do: a unit of work that began early may commit late,
and its events would appear behind a reader's back. So the feed is ordered by the writer's xid8,
and ends before the oldest transaction that is still running (the xmin of the snapshot). That
horizon is the whole server's: a transaction left open anywhere holds the feed back.

It is not the order of one object's changes: a unit gets its xid8 with its first write, and may
then wait for a row that a unit with a later xid8 changes first. `object_version` has that order.

A server counts its transactions from the beginning. So whoever restores a dump begins an epoch,
and events are ordered by epoch first. All events of the epochs before are final.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, all_, bindparam, cast, func, literal_column, select, text
from sqlalchemy import tuple_ as row_

from app.db.repository.large_values import BUDGET, IS_READ, bounded
from app.db.types import TransactionId
from app.models import Event
from app.models.events import CURRENT_EPOCH, EPOCHS
from app.repositories.events import EventRepository

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection

    from app.db import Record


@dataclass(frozen=True, slots=True)
class Position:
    """Behind the event with this id, written by the transaction `xid` in this epoch."""

    epoch: int
    xid: str
    id: UUID

    @classmethod
    def of(cls, event: Record) -> Self:
        """Behind an event that was read from the feed."""
        return cls(event["epoch"], event["xid"], event["id"])


START = Position(0, "0", UUID(int=0))

_EVENTS = Event.__table__
_ORDER = (_EVENTS.c.epoch, _EVENTS.c.xid, _EVENTS.c.id)
_AFTER = (
    bindparam("epoch", type_=_EVENTS.c.epoch.type),
    cast(bindparam("xid", type_=Text), TransactionId),
    bindparam("id", type_=Uuid),
)
# A scalar subquery is read once per statement, so that the index ends the scan.
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

# The lock waits for all who write events or read the feed, and holds up those who come: what has
# been written in the epoch that ends is committed, and no reader has a snapshot from before.
_LOCK = text("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
# Unlike nextval(), setval() writes no value ahead that would show after a crash.
_BEGIN_EPOCH = text(f"SELECT setval('{EPOCHS.name}', {CURRENT_EPOCH.text} + 1)")


def read_feed(
    connection: Connection,
    after: Position,
    *,
    limit: int,
    most_bytes: int,
    hidden: Sequence[str] = (),
) -> list[Record]:
    """Up to `limit` events behind `after`, without those of `hidden` types.

    They end with the one whose changes exceed `most_bytes`. These are JSON as PostgreSQL wrote it.
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
    """Order all events written from now on behind those that are there; returns the new epoch.

    Locks the events until the unit of work ends.
    """
    connection.execute(_LOCK)
    epoch: int = connection.execute(_BEGIN_EPOCH).scalar_one()
    return epoch
