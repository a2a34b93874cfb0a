"""What takes the locks out of statements, and out of the ledger's triggers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.served import Desk

_LOCKS = re.compile(
    r"\sFOR (NO KEY UPDATE|UPDATE|SHARE|KEY SHARE)( OF \w+)?( SKIP LOCKED)?", re.IGNORECASE
)
_ADDED = "balance = accounts.balance + NEW.amount"
_ADDED_TO_WHAT_WAS_READ = (
    "balance = (SELECT seen.balance FROM accounts AS seen WHERE id = NEW.account_id) + NEW.amount"
)
_FUNCTIONS = """
SELECT pg_get_functiondef(oid) FROM pg_proc
WHERE proname IN ('apply_entry', 'check_holds', 'guard_transaction')
"""


def without_locks(statement: str) -> str:
    return _LOCKS.sub("", statement)


def unlock_triggers(desk: Desk) -> None:
    """No lock, and a balance that is read before it is written."""
    for (definition,) in desk.sql(_FUNCTIONS):
        unlocked = without_locks(definition).replace(_ADDED, _ADDED_TO_WHAT_WAS_READ)
        assert unlocked != definition
        desk.sql(unlocked.replace("%", "%%"))
