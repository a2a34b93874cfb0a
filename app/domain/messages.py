"""The conflicts of messages."""

from __future__ import annotations

from app.db.errors import Conflict


class ExternalIdReused(Conflict):
    """The external_id is that of another message, of which nothing is reported."""

    code = "external-id-reused"

    def __init__(self) -> None:
        super().__init__("Another message of this channel has this external_id.")
        self.paths = (("external_id",),)
