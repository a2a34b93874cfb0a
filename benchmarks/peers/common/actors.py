"""Who calls: the owner of a token, remembered for as long as Caseload remembers one."""

from __future__ import annotations

import time
from hashlib import sha256
from typing import NamedTuple

from benchmarks.peers.common.refusals import Refused, unauthenticated

REMEMBERED = 2.0  # seconds, the default of CASELOAD_TOKEN_CACHE

OWNER = """
SELECT coalesce(users.id, agents.id)::text, coalesce(users.name, agents.name), users.role,
    agents.queues
FROM tokens
LEFT JOIN users ON users.id = tokens.user_id AND users.is_active AND users.deleted_at IS NULL
LEFT JOIN agents ON agents.id = tokens.agent_id AND agents.is_active AND agents.deleted_at IS NULL
WHERE token_hash = {hash} AND tokens.deleted_at IS NULL
    AND (expires_at IS NULL OR expires_at > clock_timestamp())
    AND num_nonnulls(users.id, agents.id) = 1
"""
"""`{hash}` is the parameter, as the driver spells it."""


class Actor(NamedTuple):
    """`role` is None for an agent, `queues` for a user."""

    id: str
    name: str
    role: str | None
    queues: list[str] | None

    @property
    def kind(self) -> str:
        return "agent" if self.role is None else "user"

    def require_writer(self) -> None:
        if self.role not in ("staff", "admin"):
            raise Refused(403, "forbidden")

    def claimable(self, queues: list[str] | None) -> list[str]:
        """The queues to claim from: all of the agent's where none are named."""
        if self.queues is None or not set(queues or ()) <= set(self.queues):
            raise Refused(403, "forbidden")
        return self.queues if queues is None else queues


class Callers:
    """By the header Authorization."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Actor]] = {}

    def known(self, authorization: str) -> Actor | None:
        known = self._known.get(authorization)
        return None if known is None or known[0] < time.monotonic() else known[1]

    def remember(self, authorization: str, actor: Actor) -> Actor:
        self._known[authorization] = (time.monotonic() + REMEMBERED, actor)
        return actor


def hash_of(authorization: str) -> bytes:
    """The hash of the token by which the database knows it; raises Refused where there is none."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise unauthenticated()
    return sha256(token.encode()).digest()
