"""Who calls, and the parameters that name them in events."""

from __future__ import annotations

from typing import NamedTuple

from benchmarks.peers.common.actors import OWNER, Actor, Callers, hash_of
from benchmarks.peers.common.refusals import unauthenticated
from benchmarks.peers.floor.database import query

_OWNER = OWNER.format(hash="%(hash)s")
_callers = Callers()


class Caller(NamedTuple):
    actor: Actor
    request_id: str

    @property
    def columns(self) -> dict[str, object]:
        """The parameters of the statements that write events."""
        return {
            "actor_kind": self.actor.kind,
            "actor_id": self.actor.id,
            "actor_name": self.actor.name,
            "request_id": self.request_id,
        }


def caller_of(authorization: str, request_id: str) -> Caller:
    """Raises Refused for a token that is missing or unknown."""
    actor = _callers.known(authorization)
    if actor is None:
        rows = query(_OWNER, {"hash": hash_of(authorization)})
        if not rows:
            raise unauthenticated()
        actor = _callers.remember(authorization, Actor(*rows[0]))
    return Caller(actor, request_id)
