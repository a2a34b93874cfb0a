"""The actor of a request: a user, an agent or the system; and the roles."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from app.errors import Forbidden

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID


class Role(StrEnum):
    """A user has one of the first three roles, every agent the last one."""

    ADMIN = "admin"
    STAFF = "staff"
    VIEWER = "viewer"
    AGENT = "agent"


ADMINS_ONLY = ("users", "tokens")
"""The types of rows whose events only admins may see."""

USER_ROLES = (Role.ADMIN, Role.STAFF, Role.VIEWER)


class ActorKind(StrEnum):
    USER = "user"
    AGENT = "agent"
    CUSTOMER = "customer"  # only ever the author of a message
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """`name` is what the audit trail shows. The system has no role, and may do everything."""

    kind: ActorKind
    id: UUID | None
    name: str
    role: Role | None = None

    @property
    def is_admin(self) -> bool:
        return self.kind is ActorKind.SYSTEM or self.role is Role.ADMIN

    def check_role(self, roles: Collection[Role]) -> None:
        """Raises Forbidden unless the actor has one of the roles, or is the system."""
        if self.kind is not ActorKind.SYSTEM and self.role not in roles:
            raise Forbidden(f"The role {self.role} may not do this.")


SYSTEM = Actor(ActorKind.SYSTEM, None, "system")
