"""Who calls: the owner of the token, remembered for as long as Caseload remembers one."""

from __future__ import annotations

import time
from hashlib import sha256
from typing import NamedTuple

from benchmarks.peers.floor.database import query
from benchmarks.peers.floor.refusals import Refused

REMEMBERED = 2.0  # seconds, the default of CASELOAD_TOKEN_CACHE

_OWNER = """
SELECT coalesce(users.id, agents.id), coalesce(users.name, agents.name), users.role, agents.queues
FROM tokens
LEFT JOIN users ON users.id = tokens.user_id AND users.is_active AND users.deleted_at IS NULL
LEFT JOIN agents ON agents.id = tokens.agent_id AND agents.is_active AND agents.deleted_at IS NULL
WHERE token_hash = %(hash)s AND tokens.deleted_at IS NULL
    AND (expires_at IS NULL OR expires_at > clock_timestamp())
    AND num_nonnulls(users.id, agents.id) = 1
"""
_known: dict[str, tuple[float, tuple[str, str, str | None, list[str] | None]]] = {}


class Caller(NamedTuple):
    """The actor of a request; `role` is None for an agent, `queues` for a user."""

    id: str
    name: str
    role: str | None
    queues: list[str] | None
    request_id: str

    @property
    def columns(self) -> dict[str, object]:
        """The parameters of the statements that write events."""
        return {
            "actor_kind": "agent" if self.role is None else "user",
            "actor_id": self.id,
            "actor_name": self.name,
            "request_id": self.request_id,
        }

    def require_writer(self) -> None:
        if self.role not in ("staff", "admin"):
            raise Refused(403, "forbidden")


def caller_of(authorization: str, request_id: str) -> Caller:
    """Raises Refused for a token that is missing or unknown."""
    known = _known.get(authorization)
    if known is None or known[0] < time.monotonic():
        scheme, _, token = authorization.partition(" ")
        rows = query(_OWNER, {"hash": sha256(token.encode()).digest()})
        if scheme.lower() != "bearer" or not rows:
            raise Refused(401, "unauthenticated", headers=[("WWW-Authenticate", "Bearer")])
        identity, name, role, queues = rows[0]
        known = (time.monotonic() + REMEMBERED, (identity, name, role, queues))
        _known[authorization] = known
    return Caller(*known[1], request_id)
