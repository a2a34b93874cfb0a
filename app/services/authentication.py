"""Finds the owner of a token, and remembers it in the process for a moment."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from app.domain.actors import Actor, ActorKind, Role
from app.errors import InvalidToken
from app.repositories import AgentRepository, TokenRepository
from app.services.authentication_failures import WrongTokens
from app.services.kit.identity import Identity
from app.services.tokens import digest

if TYPE_CHECKING:
    from app.db import Database

_MOST_REMEMBERED = 10_000
_USE_IS_RECORDED_EVERY = timedelta(minutes=1)
_INVALID = "The token is not valid."


class Authenticator:
    """Remembers a good token for `remember` seconds: a revoked one may work for that long.

    Wrong tokens are remembered as long, apart from good ones, so that they push none of those out.
    An address may send `wrong_token_rate` wrong tokens per second, and good ones at any time.
    """

    def __init__(self, database: Database, *, remember: float, wrong_token_rate: int = 0) -> None:
        self.wrong_token_rate = wrong_token_rate
        self.wrong_tokens = WrongTokens(rate=wrong_token_rate, remember=remember)
        self._database = database
        self._remember = remember
        self._tokens = TokenRepository()
        self._agents = AgentRepository()
        self._known: dict[bytes, tuple[float, Identity]] = {}
        self._lock = threading.Lock()

    def authenticate(self, secret: str, address: str = "") -> Identity:
        """Raises InvalidToken for a token that is unknown, revoked, expired or nobody's.

        Raises RateLimited instead where the `address` has sent too many of them.
        """
        token_hash = digest(secret)
        known = self._known.get(token_hash)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        try:
            return self._looked_up(token_hash)
        except InvalidToken:
            self.wrong_tokens.count(address)
            raise

    def forget(self) -> None:
        """Forget all tokens, since one was revoked or an owner changed."""
        self.wrong_tokens.forget()
        with self._lock:
            self._known.clear()

    def record_use(self, identity: Identity) -> None:
        with self._database.connect() as connection:
            self._tokens.touch(connection, identity.token_id)
            if identity.actor.kind is ActorKind.AGENT and identity.actor.id is not None:
                self._agents.touch(connection, identity.actor.id)

    def _looked_up(self, token_hash: bytes) -> Identity:
        if self.wrong_tokens.knows(token_hash):
            raise InvalidToken(_INVALID)
        asked_at = time.monotonic()  # the row may change from here on
        try:
            identity, lifetime = self._database.again(lambda: self._look_up(token_hash))
        except InvalidToken:
            self.wrong_tokens.add(token_hash, asked_at)
            raise
        with self._lock:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            remembered = Identity(identity.actor, identity.token_id, record_use=False)
            self._known[token_hash] = (asked_at + lifetime, remembered)
        return identity

    def _look_up(self, token_hash: bytes) -> tuple[Identity, float]:
        with self._database.connect(read_only=True) as connection:
            owner = self._tokens.owner(connection, token_hash)
        if owner is None:
            raise InvalidToken(_INVALID)
        kind = ActorKind.USER if owner.agent_id is None else ActorKind.AGENT
        actor = Actor(kind, owner.id, owner.name, Role(owner.role or Role.AGENT))
        now = datetime.now(UTC)
        stale = owner.last_used_at is None or now - owner.last_used_at > _USE_IS_RECORDED_EVERY
        return Identity(actor, owner.token_id, record_use=stale), self._lifetime(owner, now)

    def _lifetime(self, owner: Any, now: datetime) -> float:
        if owner.expires_at is None:
            return self._remember
        left: float = (owner.expires_at - now).total_seconds()
        return min(self._remember, left)
