from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from app.db import retry
from app.db.errors import Invalid, Mistake
from app.errors import NotFound
from app.models import Token
from app.repositories import AgentRepository, TokenRepository, UserRepository
from app.services.kit.creates import Adds
from app.services.kit.deletes import Deletes
from app.services.kit.permissions import ADMINS, Roles, allowed
from app.services.kit.reads import Reads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.models import Agent, User

_PREFIX = "cl_"  # lets secret scanners recognise a token


@dataclass(frozen=True, kw_only=True)
class TokenService(Reads[Token], Adds[Token], Deletes[Token]):
    readers: ClassVar[Roles] = ADMINS
    listers: ClassVar[Roles] = ADMINS
    writers: ClassVar[Roles] = ADMINS
    repository: TokenRepository = TokenRepository()
    users: UserRepository = UserRepository()
    agents: AgentRepository = AgentRepository()

    @allowed("writers")
    @retry
    def issue(self, values: Mapping[str, Any]) -> tuple[Token, str]:
        """A new token and its secret, which is shown this once and kept nowhere.

        It is for the user `user_id` or the agent `agent_id`.
        """
        if (values.get("user_id") is None) == (values.get("agent_id") is None):
            raise Invalid(
                [Mistake(("user_id",), "required", "Either user_id or agent_id is required.")]
            )
        expires_at = values.get("expires_at")
        if expires_at is not None and expires_at <= datetime.now(UTC):
            raise Invalid([Mistake(("expires_at",), "range", "It must be in the future.")])
        secret = _PREFIX + secrets.token_urlsafe(32)
        with self.database.session() as session:
            return self.add(session, {**values, "token_hash": digest(secret)}), secret

    @allowed("writers")
    @retry
    def issue_for(self, email: str, name: str, expires_at: datetime | None) -> tuple[Token, str]:
        """As `issue`, for the user with this e-mail address."""
        with self.database.session() as session:
            user: User | None = self.users.find(session, email=email)
            if user is None:
                raise NotFound("users", email)
            return self.issue({"user_id": user.id, "name": name, "expires_at": expires_at})

    @allowed("writers")
    @retry
    def issue_for_agent(
        self, agent_name: str, name: str, expires_at: datetime | None
    ) -> tuple[Token, str]:
        """As `issue`, for the agent of this name."""
        with self.database.session() as session:
            agent: Agent | None = self.agents.find(session, name=agent_name)
            if agent is None:
                raise NotFound("agents", agent_name)
            return self.issue({"agent_id": agent.id, "name": name, "expires_at": expires_at})


def digest(secret: str) -> bytes:
    """What is kept of a token: it is random, so nothing slower than SHA-256 is called for."""
    return hashlib.sha256(secret.encode()).digest()
