"""A new token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token to issue, for a user or for an agent: exactly one of the two ids is given."""

    name: str
    user_id: UUID | None = None
    agent_id: UUID | None = None
    expires_at: datetime | None = None
