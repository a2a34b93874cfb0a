"""Fault injection: the k-th message to PostgreSQL fails, or COMMIT does, in a way that is real.

An SQLSTATE is raised by the server itself, in place of the message, so that the transaction is
really lost; a dropped connection is one that the server has really closed.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import psycopg2
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - psycopg2 names its class so
from sqlalchemy import event

if TYPE_CHECKING:
    from app.db import Database

DROP = "drop"
DROP_AFTER = "drop after"  # the message is executed, and its answer lost


@dataclass
class Faults:
    """Give `at` the number of a message, from 1, or "COMMIT"; `how` is an SQLSTATE or a DROP.

    It happens once, unless `always`. `seen` has the messages that were sent or should have been.
    """

    database: Database
    at: int | str = 0
    how: str = "40001"
    always: bool = False
    seen: list[str] = field(default_factory=list)
    struck: int = 0
    over: bool = False

    def __enter__(self) -> Self:
        faults = self

        class Faulty(Cursor):
            def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002 - as psycopg2 has it
                if faults.over:
                    super().execute(query, vars)
                    return
                faults.seen.append(str(query))
                if not faults._is_due(str(query)):
                    super().execute(query, vars)
                    return
                faults.struck += 1
                if faults.how == DROP_AFTER:
                    super().execute(query, vars)
                if faults.how in (DROP, DROP_AFTER):
                    faults._close_server_side(self.connection)
                    super().execute("SELECT 1")
                super().execute(
                    f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{faults.how}'; END $$"
                )

        def infect(connection: Any, *_: Any) -> None:
            connection.cursor_factory = Faulty

        self._infect = infect
        self._pool = self.database._primary.pool
        event.listen(self._pool, "checkout", infect)
        return self

    def __exit__(self, *_: object) -> None:
        """The connections are kept: a new one is slow with its first statements."""
        self.over = True
        event.remove(self._pool, "checkout", self._infect)

    def _is_due(self, query: str) -> bool:
        if self.struck and not self.always:
            return False
        if self.at == "COMMIT":
            return query == "COMMIT"
        return len(self.seen) == self.at or (self.always and bool(self.struck))

    def _close_server_side(self, connection: Any) -> None:
        """PostgreSQL's own way to wait until it is gone looks only every 100 ms."""
        with closing(psycopg2.connect(self.database.url)) as other, other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [connection.get_backend_pid()])
            while cursor.fetchall() == [(True,)]:
                time.sleep(0.002)
                cursor.execute("SELECT pg_terminate_backend(%s)", [connection.get_backend_pid()])
