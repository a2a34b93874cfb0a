"""Fault injection: one message to PostgreSQL fails, in a way that is real.

The server itself raises an SQLSTATE, in place of the message, so that the transaction is really
lost. A connection that drops is one that the server has really closed.
"""

import re
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any, Self

import psycopg2
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - psycopg2 names its class so

from ..database import Database
from .cursors import cursors

DROP = "drop"
"""The server closes the connection before it executes the message."""

DROP_AFTER = "drop after"
"""The server executes the message, and the connection is lost before its answer arrives."""

_SQLSTATE = re.compile(r"[0-9A-Z]{5}")


@dataclass
class Faults:
    """A context manager: inside it, one message of the Database's units fails.

    `at` is the number of the message, from 1, or "COMMIT"; 0 fails none. `how` is an SQLSTATE,
    DROP or DROP_AFTER. With `always` each later message, or COMMIT, fails too. Anything else is a
    ValueError.

    `seen` lists the messages, those that failed included; `struck` counts the faults.
    """

    database: Database
    at: int | str = 0
    how: str = "40001"
    always: bool = False
    seen: list[str] = field(default_factory=list, init=False)
    struck: int = field(default=0, init=False)
    _open: ExitStack = field(default_factory=ExitStack, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.how not in (DROP, DROP_AFTER) and not _SQLSTATE.fullmatch(self.how):
            raise ValueError(
                f"how={self.how!r} must be an SQLSTATE, which has five digits and capital letters"
                f" such as '40001', or DROP ({DROP!r}), or DROP_AFTER ({DROP_AFTER!r})."
            )
        if isinstance(self.at, str) and self.at != "COMMIT":
            raise ValueError(f"at={self.at!r} must be the number of a message, or 'COMMIT'.")

    def __enter__(self) -> Self:
        self._open.enter_context(cursors(self.database, _failing_cursor(self)))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def strikes(self, message: str) -> bool:
        """Whether this message fails. Counts it."""
        self.seen.append(message)
        due = self._is_due(message)
        self.struck += due
        return due

    def _is_due(self, message: str) -> bool:
        if self.struck and not self.always:
            return False
        if self.at == "COMMIT":
            return message == "COMMIT"
        return len(self.seen) == self.at or (self.always and bool(self.struck))


def _failing_cursor(faults: Faults) -> type[Cursor]:
    class FailingCursor(Cursor):
        def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002 - as psycopg2 has it
            if not faults.strikes(str(query)):
                super().execute(query, vars)
                return
            if faults.how == DROP_AFTER:
                super().execute(query, vars)
            if faults.how in (DROP, DROP_AFTER):
                _close_at_server(faults.database.url, self.connection.get_backend_pid())
                super().execute("SELECT 1")  # raises the driver's own error
            super().execute(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{faults.how}'; END $$")

    return FailingCursor


def _close_at_server(url: str, pid: int) -> None:
    """PostgreSQL's own wait for the end of a backend looks every 100 ms only."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
            if cursor.fetchall() != [(True,)]:
                return
            time.sleep(0.002)
