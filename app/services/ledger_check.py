from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.db import retry
from app.repositories.ledger_checks import differences
from app.services.kit.base import Service
from app.services.kit.permissions import SYSTEM_ONLY, allowed

if TYPE_CHECKING:
    from app.db import Record

_MOST_REPORTED = 100
_LONGEST = 3600.0  # seconds per check


@dataclass(frozen=True, kw_only=True)
class LedgerCheckService(Service):
    @allowed(SYSTEM_ONLY)
    @retry
    def verify(self) -> list[Record]:
        """Recompute every balance and rule; returns at most a hundred differences per check.

        It reads one snapshot and takes no locks.
        """
        with self.database.connect(
            read_only=True, isolation="REPEATABLE READ", timeout=_LONGEST
        ) as connection:
            return differences(connection, at_most=_MOST_REPORTED)
