from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from app.db import retry
from app.errors import Invalid, Mistake, NotFound
from app.models import Token, User
from app.repositories import TokenRepository, UserRepository
from app.services.permissions import ADMINS, READERS, Roles, allowed
from app.services.reading import read_one
from app.services.resources import ResourceService

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from uuid import UUID

    from app.repositories import Record


@dataclass(frozen=True, kw_only=True)
class UserService(ResourceService[User]):
    """The database refuses to lose the last active admin: LastAdmin."""

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
        """Deactivate all of them or, if one does not exist, none; returns how many were active."""
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
            return len(changed)

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
                {token["id"]: {"deleted_at": (None, token["deleted_at"])} for token in revoked},
            )
