from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from app.db import retry
from app.db.errors import Invalid, Mistake
from app.domain.tokens import NewToken
from app.errors import NotFound
from app.models import Token
from app.repositories import AgentRepository, TokenRepository, UserRepository
from app.services.kit.creates import Adds
from app.services.kit.deletes import Deletes
from app.services.kit.fields import fields_of
from app.services.kit.permissions import ADMINS, Roles, allowed
from app.services.kit.reads import Reads

if TYPE_CHECKING:
    from app.models import Agent, User

_PREFIX = "cl_"  # secret scanners recognise a token by it


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
    def issue(self, new: NewToken) -> tuple[Token, str]:
        """A new token and its secret, which is shown this once and stored nowhere."""
        if (new.user_id is None) == (new.agent_id is None):
            raise Invalid(
                [Mistake(("user_id",), "required", "Either user_id or agent_id is required.")]
            )
        if new.expires_at is not None and new.expires_at <= datetime.now(UTC):
            raise Invalid([Mistake(("expires_at",), "range", "It must be in the future.")])
        secret = _PREFIX + secrets.token_urlsafe(32)
        with self.database.session() as session:
            return self.add(session, {**fields_of(new), "token_hash": digest(secret)}), secret

    @allowed("writers")
    @retry
    def issue_for(self, email: str, name: str, expires_at: datetime | None) -> tuple[Token, str]:
        """As `issue`, for the user with this e-mail address."""
        with self.database.session() as session:
            user: User | None = self.users.find(session, email=email)
            if user is None:
                raise NotFound("users", email)
            return self.issue(NewToken(user_id=user.id, name=name, expires_at=expires_at))

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
            return self.issue(NewToken(agent_id=agent.id, name=name, expires_at=expires_at))


def digest(secret: str) -> bytes:
    """The hash that is stored of a token: a random secret needs nothing slower than SHA-256."""
    return hashlib.sha256(secret.encode()).digest()
