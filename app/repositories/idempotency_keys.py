"""Idempotency keys: the unit that takes a key first executes the request; others wait for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, delete, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert

from app.db import CHANGES_NOTHING, Prepared
from app.models import IdempotencyKey

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import timedelta
    from uuid import UUID

    from sqlalchemy import Connection

_IDEMPOTENCY_KEYS = IdempotencyKey.__table__
_PRIMARY_KEY = (_IDEMPOTENCY_KEYS.c.actor_id, _IDEMPOTENCY_KEYS.c.key_hash)
_NOW = func.clock_timestamp()
_IS_KEY = (
    _IDEMPOTENCY_KEYS.c.actor_id == bindparam("actor"),
    _IDEMPOTENCY_KEYS.c.key_hash == bindparam("hash"),
)

_INSERT = insert(_IDEMPOTENCY_KEYS).values(
    actor_id=bindparam("actor"),
    key_hash=bindparam("hash"),
    request_hash=bindparam("request"),
    expires_at=_NOW + bindparam("lifetime"),
)
# An expired key that no job has removed yet can be taken again.
_TAKE = Prepared(
    _INSERT.on_conflict_do_update(
        index_elements=_PRIMARY_KEY,
        set_={
            "request_hash": _INSERT.excluded.request_hash,
            "answer": None,
            "objects": [],
            "expires_at": _INSERT.excluded.expires_at,
        },
        where=_IDEMPOTENCY_KEYS.c.expires_at <= _NOW,
    ).returning(_IDEMPOTENCY_KEYS.c.actor_id)
)
_FIND = Prepared(
    select(_IDEMPOTENCY_KEYS.c.request_hash, _IDEMPOTENCY_KEYS.c.answer).where(*_IS_KEY)
)
# Deferred constraints are checked now: failing at COMMIT would be too late to change the response
# that is stored. Today no constraint is deferrable; one that will be must not break this.
_STORE = Prepared(
    text(
        "SET CONSTRAINTS ALL IMMEDIATE; UPDATE idempotency_keys"
        " SET answer = :answer, objects = CAST(:objects AS uuid[])"
        " WHERE actor_id = :actor AND key_hash = :hash"
    ).execution_options(**{CHANGES_NOTHING: True})
)
# One look-up in the index per id. For `objects && :objects` with several ids PostgreSQL expects
# that much of the table matches, and reads all of it. So it would for the primary keys: hence ctid.
_ERASE = text(
    "UPDATE idempotency_keys SET answer = NULL WHERE ctid = ANY (ARRAY("
    " SELECT kept.ctid FROM unnest(CAST(:objects AS uuid[])) AS erased (id)"
    " JOIN idempotency_keys AS kept ON kept.objects @> ARRAY[erased.id]"
    " WHERE kept.answer IS NOT NULL))"
).execution_options(**{CHANGES_NOTHING: True})
_EXPIRED = (
    select(*_PRIMARY_KEY)
    .where(_IDEMPOTENCY_KEYS.c.expires_at <= _NOW)
    .order_by(_IDEMPOTENCY_KEYS.c.expires_at)
    .limit(bindparam("at_most"))
    .with_for_update(skip_locked=True)
)
_REMOVE_EXPIRED = delete(_IDEMPOTENCY_KEYS).where(tuple_(*_PRIMARY_KEY).in_(_EXPIRED))


class TakenKey(NamedTuple):
    """The request that a key was sent with, and its sealed response; None after an erasure."""

    request_hash: bytes
    answer: bytes | None


class IdempotencyKeyRepository:
    def take(
        self,
        connection: Connection,
        actor_id: UUID,
        key_hash: bytes,
        request_hash: bytes,
        lifetime: timedelta,
    ) -> bool:
        """Whether this unit has taken the key. Waits for the end of another unit that takes it.

        `request_hash` identifies the request. The key can be taken again after `lifetime`.
        """
        values = {
            "actor": actor_id,
            "hash": key_hash,
            "request": request_hash,
            "lifetime": lifetime,
        }
        return bool(_TAKE.rows(connection, values))

    def find(self, connection: Connection, actor_id: UUID, key_hash: bytes) -> TakenKey | None:
        """None for an unknown key."""
        rows = _FIND.rows(connection, {"actor": actor_id, "hash": key_hash})
        return TakenKey._make(rows[0]) if rows else None

    def keep(
        self,
        connection: Connection,
        actor_id: UUID,
        key_hash: bytes,
        answer: bytes,
        objects: Collection[UUID],
    ) -> None:
        """Store the sealed response of a key that this unit has taken.

        `objects` are the ids in the response. Deferred constraints are checked first.
        """
        values = {"answer": answer, "objects": list(map(str, objects))}
        _STORE.execute(connection, {"actor": actor_id, "hash": key_hash, **values})

    def erase_answers(self, connection: Connection, objects: Collection[UUID]) -> int:
        """Erase the responses in which one of these ids occurs; returns how many.

        Their keys stay taken.
        """
        return connection.execute(_ERASE, {"objects": list(map(str, objects))}).rowcount

    def remove_expired(self, connection: Connection, *, at_most: int) -> int:
        """Delete up to `at_most` expired keys, the oldest first; returns how many."""
        return connection.execute(_REMOVE_EXPIRED, {"at_most": at_most}).rowcount
