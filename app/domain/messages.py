"""Messages: a new one, and its conflicts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from app.db.errors import Conflict


class Direction(StrEnum):
    INBOUND = "inbound"  # from the customer
    OUTBOUND = "outbound"  # to the customer
    NOTE = "note"  # among the staff


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """A message to post: the customer's, unless its `direction` is another one.

    `external_id` names it in its channel, so that a repeated delivery adds nothing.
    """

    body: str
    direction: str = Direction.INBOUND
    external_id: str | None = None


class ExternalIdReused(Conflict):
    """Another message has this external_id. The client learns nothing about that message."""

    code = "external-id-reused"

    def __init__(self) -> None:
        super().__init__("Another message of this channel has this external_id.")
        self.paths = (("external_id",),)
