"""The service with its locks taken out, to see that the checks of the bank would tell.

    gunicorn benchmarks.load_bank_unlocked:app

Whoever imports this has no locks in any engine of the process.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, event

from app import create_app
from benchmarks.load_bank_locks import without_locks


@event.listens_for(Engine, "before_cursor_execute", retval=True)
def _unlock(
    _connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any
) -> tuple[str, Any]:
    return without_locks(statement), parameters


app = create_app()
