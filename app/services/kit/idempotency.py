"""Carries out a request with an Idempotency-Key once, and replays its response afterwards."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import orjson

from app.db.errors import Contention, LockTimeout
from app.domain.idempotency import AnswerGone, IdempotencyInProgress, KeyReused
from app.errors import Forbidden
from app.repositories import IdempotencyKeyRepository
from app.services.kit.base import Service
from app.services.kit.permissions import READERS_AND_AGENTS, allowed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection

    from app.db.listing import Seal

_ID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Answer:
    """A response; `replayed` where it is that of an earlier request."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    replayed: bool = False


@dataclass(frozen=True, kw_only=True)
class IdempotencyService(Service):
    seal: Callable[[str], Seal]
    """Makes the seal that the client's key opens."""
    keys: IdempotencyKeyRepository = IdempotencyKeyRepository()

    @allowed(READERS_AND_AGENTS)
    def once(self, key: str, request: bytes, work: Callable[[], Answer]) -> Answer:
        """The answer of `work`, or the stored one where this actor has sent the `request` before.

        Key, effects and answer are one unit of work: where `work` raises, none of them is left.
        Raises KeyReused, IdempotencyInProgress, AnswerGone.
        """
        request_hash = hashlib.sha256(request).digest()
        return self.database.run(
            lambda connection: (
                self._carry_out(connection, key, request_hash, work)
                if self._take(connection, key, request_hash)
                else self._replay(connection, key, request_hash)
            )
        )

    def _take(self, connection: Connection, key: str, request_hash: bytes) -> bool:
        lifetime = self.rules.idempotency_window
        try:
            return self.keys.take(connection, self._actor_id, _hash(key), request_hash, lifetime)
        except LockTimeout as error:
            raise IdempotencyInProgress("The same request is being carried out.") from error

    def _carry_out(
        self, connection: Connection, key: str, request_hash: bytes, work: Callable[[], Answer]
    ) -> Answer:
        answer = work()
        sealed = self.seal(key).close(_packed(answer), self._context(request_hash))
        objects = {UUID(found.decode()) for found in _ID.findall(answer.body)}
        self.keys.keep(connection, self._actor_id, _hash(key), sealed, objects)
        return answer

    def _replay(self, connection: Connection, key: str, request_hash: bytes) -> Answer:
        kept = self.keys.find(connection, self._actor_id, _hash(key))
        if kept is None:
            raise Contention("The key expired at this moment.")
        if kept.request_hash != request_hash:
            raise KeyReused("The key was sent with another request.")
        context = self._context(request_hash)
        packed = None if kept.answer is None else self.seal(key).open(bytes(kept.answer), context)
        if packed is None:
            raise AnswerGone("The request was carried out, and its answer is not kept any more.")
        return _unpacked(packed)

    @property
    def _actor_id(self) -> UUID:
        if self.actor.id is None:
            raise Forbidden("An Idempotency-Key needs a token.")
        return self.actor.id

    def _context(self, request_hash: bytes) -> bytes:
        return self._actor_id.bytes + request_hash


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def _packed(answer: Answer) -> bytes:
    return orjson.dumps([answer.status, dict(answer.headers)]) + b"\n" + answer.body


def _unpacked(packed: bytes) -> Answer:
    head, _, body = packed.partition(b"\n")
    status, headers = orjson.loads(head)
    return Answer(status, headers, body, replayed=True)
