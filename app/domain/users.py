"""The conflicts of users."""

from __future__ import annotations

from app.db.errors import Conflict


class LastAdmin(Conflict):
    code = "last-admin"

    def __init__(self) -> None:
        super().__init__("The last active admin cannot be deactivated, demoted or deleted.")
