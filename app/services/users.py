from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from app.db import retry
from app.db.errors import Invalid, Mistake
from app.errors import NotFound
from app.models import Token, User
from app.repositories import TokenRepository, UserRepository
from app.services.agents import AgentService
from app.services.kit.permissions import ADMINS, READERS, Roles, allowed
from app.services.kit.reads import read_one
from app.services.kit.resources import ResourceService

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from uuid import UUID

    from sqlalchemy.orm import Session

    from app.db import Record
    from app.db.repository.writing import Changes
    from app.services.kit.fields import Fields


@dataclass(frozen=True, kw_only=True)
class UserService(ResourceService[User]):
    """Users as a resource. The database refuses to lose the last active admin: LastAdmin.

    Deactivating a user deactivates their agent. Activating the user activates no agent.
    """

    readers: ClassVar[Roles] = ADMINS
    listers: ClassVar[Roles] = ADMINS
    writers: ClassVar[Roles] = ADMINS
    repository: UserRepository = UserRepository()
    tokens: TokenRepository = TokenRepository()

    @allowed(READERS)
    @retry
    def me(self) -> Record:
        """The user who is acting."""
        if self.actor.id is None:
            raise NotFound("users", self.actor.name)
        with self.database.connect(read_only=True) as connection:
            return read_one(connection, self.repository, self.actor.id)

    @allowed("writers")
    @retry
    def deactivate(self, keys: Sequence[UUID]) -> int:
        """Deactivate all of them or, if one does not exist, none; returns how many were active.

        An agent is deactivated also where its user was inactive already.
        """
        with self.database.connect() as connection:
            was_active = self.repository.deactivate(connection, keys)
            unknown = [i for i, key in enumerate(keys) if key not in was_active]
            if unknown:
                raise Invalid(
                    Mistake(("ids", i), "unknown-reference", "The user does not exist.")
                    for i in unknown
                )
            changed = [key for key, active in was_active.items() if active]
            self.record(
                connection, "updated", User, {key: {"is_active": (True, False)} for key in changed}
            )
            self.related(AgentService).deactivate_of_users(connection, keys)
            return len(changed)

    def apply(
        self,
        session: Session,
        entity: User,
        values: Fields,
        *,
        expected: Collection[int] | None = None,
        action: str = "updated",
    ) -> Changes:
        changes = super().apply(session, entity, values, expected=expected, action=action)
        if "is_active" in changes and not entity.is_active:
            agents = self.related(AgentService)
            agents.deactivate_of_users(session.connection(), [entity.id])
        return changes

    @allowed("writers")
    @retry
    def remove(self, key: UUID, *, expected: Collection[int] | None = None) -> None:
        """Delete the user and, in the same unit of work, revoke the tokens."""
        with self.database.connect() as connection:
            super().remove(key, expected=expected)
            revoked = self.tokens.revoke_all(connection, key)
            self.record(
                connection,
                "deleted",
                Token,
                {key: {"deleted_at": (None, at)} for key, at in revoked.items()},
            )
