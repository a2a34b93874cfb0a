"""The service with the locks taken out, to see that the checks of the bank would tell.

gunicorn benchmarks.load_bank_unlocked:app
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, event

from app import create_app

if TYPE_CHECKING:
    from benchmarks.load_desk import Desk

_LOCKS = re.compile(r"\sFOR (NO KEY UPDATE|UPDATE|SHARE|KEY SHARE)( SKIP LOCKED)?", re.IGNORECASE)
_ADDED = "balance = accounts.balance + NEW.amount"
_ADDED_TO_WHAT_WAS_READ = (
    "balance = (SELECT seen.balance FROM accounts AS seen WHERE id = NEW.account_id) + NEW.amount"
)
_FUNCTIONS = """
SELECT pg_get_functiondef(oid) FROM pg_proc
WHERE proname IN ('apply_entry', 'check_holds', 'guard_transaction')
"""


@event.listens_for(Engine, "before_cursor_execute", retval=True)
def _unlock(
    _connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any
) -> tuple[str, Any]:
    return _LOCKS.sub("", statement), parameters


def unlock_triggers(desk: Desk) -> None:
    """No lock, and a balance that is read before it is written."""
    for (definition,) in desk.sql(_FUNCTIONS):
        unlocked = _LOCKS.sub("", definition).replace(_ADDED, _ADDED_TO_WHAT_WAS_READ)
        desk.sql(unlocked.replace("%", "%%"))


app = create_app()
