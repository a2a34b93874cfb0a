"""All rows of a Caseload database: kept once, compared, and put back where a test changed them."""

from __future__ import annotations

import re
from typing import Any

from app.db.testing import Snapshot
from app.models import Base

# Rate limits are written between requests, whatever these do.
TABLES = tuple(name for name in Base.metadata.tables if name != "rate_limits")

# Columns that are written after the response is sent, and a number that a sequence gives out.
_IGNORED = {"tokens": ["last_used_at"], "agents": ["last_seen_at"], "entries": ["seq"]}
_OTHERS = """
SELECT pid, state, query FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
    AND backend_type = 'client backend'
UNION ALL
SELECT pid, mode, objid::text FROM pg_locks WHERE locktype = 'advisory'
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
# Bytes, request ids, ids of database transactions, numbers that a sequence gives out, and the time
# that a clock has left: within working hours each call finds less of it.
_VARYING = re.compile(
    r'"\\\\x[0-9a-f]*"|"[0-9a-f]{32}"|(?<="xid": )"\d+"'
    r'|(?<="number": )"?\d+"?|(?<="number": {"after": )"?\d+"?|(?<="resolution_left": )"[^"]*"'
)
_OBJECTS = re.compile(r'(?<="objects": \[)[^\]]*')  # in no order


class Rows(Snapshot):
    def __init__(self, url: str) -> None:
        super().__init__(url, TABLES, ignoring=_IGNORED)

    def normalised(self, row: str) -> str:
        row = super().normalised(row)
        row = _OBJECTS.sub(lambda found: " ".join(sorted(found[0].split(", "))), row)
        return _VARYING.sub("?", row)

    def others(self) -> list[tuple[Any, ...]]:
        """Other clients that are in a transaction, or hold a lock beyond one."""
        return self.run(_OTHERS)
