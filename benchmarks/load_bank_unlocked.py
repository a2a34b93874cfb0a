"""The service with its locks taken out, to see that the checks of the bank would tell.

    gunicorn benchmarks.load_bank_unlocked:app

Whoever imports this has no locks in any engine of the process.
"""

from __future__ import annotations

from typing import Any

from psycopg2.extensions import cursor as Cursor  # noqa: N812 - psycopg2 names its class so
from sqlalchemy import Pool, event

from app import create_app
from benchmarks.load_bank_locks import without_locks


class UnlockedCursor(Cursor):
    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002 - psycopg2's name
        super().execute(without_locks(query), vars)


@event.listens_for(Pool, "checkout")
def _unlock(connection: Any, *_: Any) -> None:
    connection.cursor_factory = UnlockedCursor


app = create_app()
