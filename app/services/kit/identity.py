"""The user or agent to whom a token belongs, and the protocol of the service that finds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from uuid import UUID

    from app.domain.actors import Actor


@dataclass(frozen=True, slots=True)
class Identity:
    """`record_use` says whether the recorded last use of the token is too old by now."""

    actor: Actor
    token_id: UUID
    record_use: bool


class Authenticates(Protocol):
    wrong_token_rate: int
    """Wrong tokens that an address may send per second; 0 is any number."""

    def authenticate(self, secret: str, address: str = "") -> Identity:
        """Raises InvalidToken, and RateLimited where the address has sent too many wrong ones."""

    def forget(self) -> None:
        """Forget all tokens, since one was revoked or an owner changed."""

    def record_use(self, identity: Identity) -> None:
        """Record that the token was used now."""
