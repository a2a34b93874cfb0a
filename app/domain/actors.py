"""Who is acting: a user, an agent or the system."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID


class Role(StrEnum):
    """What a token may do. A user has one of the first three; every agent has the last."""

    ADMIN = "admin"
    STAFF = "staff"
    VIEWER = "viewer"
    AGENT = "agent"


USER_ROLES = (Role.ADMIN, Role.STAFF, Role.VIEWER)


class ActorKind(StrEnum):
    USER = "user"
    AGENT = "agent"
    CUSTOMER = "customer"  # only ever the author of a message
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """`name` is what the audit trail shows; `role` is None for the system, which may do all."""

    kind: ActorKind
    id: UUID | None
    name: str
    role: Role | None = None

    @property
    def is_admin(self) -> bool:
        return self.role in (None, Role.ADMIN)


SYSTEM = Actor(ActorKind.SYSTEM, None, "system")
