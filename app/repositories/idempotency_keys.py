"""Who takes a key first executes its request; the others wait for that unit of work to end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert

from app.db import CHANGES_NOTHING
from app.models import IdempotencyKey

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import timedelta
    from uuid import UUID

    from sqlalchemy import Connection

_KEYS = IdempotencyKey.__table__
_KEY = (_KEYS.c.actor_id, _KEYS.c.key_hash)
_NOW = func.clock_timestamp()
_THIS = (_KEYS.c.actor_id == bindparam("actor"), _KEYS.c.key_hash == bindparam("hash"))

_INSERT = insert(_KEYS).values(
    actor_id=bindparam("actor"),
    key_hash=bindparam("hash"),
    request_hash=bindparam("request"),
    expires_at=_NOW + bindparam("lifetime"),
)
# What has expired and was not removed yet is as good as gone.
_TAKE = _INSERT.on_conflict_do_update(
    index_elements=_KEY,
    set_={
        "request_hash": _INSERT.excluded.request_hash,
        "answer": None,
        "objects": [],
        "expires_at": _INSERT.excluded.expires_at,
    },
    where=_KEYS.c.expires_at <= _NOW,
).returning(_KEYS.c.actor_id)
_FIND = select(_KEYS.c.request_hash, _KEYS.c.answer).where(*_THIS)
# What a constraint has to say at COMMIT, it says here: the answer would be another one.
_KEEP = text(
    "SET CONSTRAINTS ALL IMMEDIATE; UPDATE idempotency_keys"
    " SET answer = :answer, objects = CAST(:objects AS uuid[])"
    " WHERE actor_id = :actor AND key_hash = :hash"
).execution_options(**{CHANGES_NOTHING: True})
# One look into the index per id. PostgreSQL takes `objects && :objects` for much of the table as
# soon as there are some ids, and would read all of it; so it would to find the rows by their keys.
_ERASE = text(
    "UPDATE idempotency_keys SET answer = NULL WHERE ctid = ANY (ARRAY("
    " SELECT kept.ctid FROM unnest(CAST(:objects AS uuid[])) AS erased (id)"
    " JOIN idempotency_keys AS kept ON kept.objects @> ARRAY[erased.id]"
    " WHERE kept.answer IS NOT NULL))"
).execution_options(**{CHANGES_NOTHING: True})
_EXPIRED = (
    select(*_KEY)
    .where(_KEYS.c.expires_at <= _NOW)
    .order_by(_KEYS.c.expires_at)
    .limit(bindparam("at_most"))
    .with_for_update(skip_locked=True)
)
_REMOVE_EXPIRED = delete(_KEYS).where(tuple_(*_KEY).in_(_EXPIRED))


class IdempotencyKeyRepository:
    def take(
        self,
        connection: Connection,
        actor_id: UUID,
        key_hash: bytes,
        request_hash: bytes,
        lifetime: timedelta,
    ) -> bool:
        """Whether the key is the unit's own now. Waits for the unit that is taking it."""
        values = {
            "actor": actor_id,
            "hash": key_hash,
            "request": request_hash,
            "lifetime": lifetime,
        }
        return connection.execute(_TAKE, values).one_or_none() is not None

    def find(self, connection: Connection, actor_id: UUID, key_hash: bytes) -> Any | None:
        """The request and the answer of a key that is taken."""
        return connection.execute(_FIND, {"actor": actor_id, "hash": key_hash}).one_or_none()

    def keep(
        self,
        connection: Connection,
        actor_id: UUID,
        key_hash: bytes,
        answer: bytes,
        objects: Collection[UUID],
    ) -> None:
        """Store the answer of a key that was taken; deferred constraints are checked first."""
        values = {"answer": answer, "objects": list(map(str, objects))}
        connection.execute(_KEEP, {"actor": actor_id, "hash": key_hash, **values})

    def erase_answers(self, connection: Connection, objects: Collection[UUID]) -> int:
        """Those in which one of these ids occurs; their keys stay taken. Returns how many."""
        return connection.execute(_ERASE, {"objects": list(map(str, objects))}).rowcount

    def remove_expired(self, connection: Connection, *, at_most: int) -> int:
        return connection.execute(_REMOVE_EXPIRED, {"at_most": at_most}).rowcount
