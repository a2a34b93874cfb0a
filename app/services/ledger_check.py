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
        """What differs from what the entries and holds say, at most a hundred per check.

        All is read in one snapshot, in no one's way.
        """
        with self.database.connect(
            read_only=True, isolation="REPEATABLE READ", timeout=_LONGEST
        ) as connection:
            return differences(connection, at_most=_MOST_REPORTED)
