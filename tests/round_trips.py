"""Counts what goes over the wire: psycopg2 sends one message per `execute`, COMMIT included."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

from psycopg2.extensions import cursor as Cursor  # noqa: N812 - psycopg2 names its class so
from sqlalchemy import event

if TYPE_CHECKING:
    from app.db import Database


_SETTINGS = re.compile(r"(BEGIN|SET)[^;]*; ")


class RoundTrips(list[str]):
    """The messages sent by the primary's connections that are checked out while it is entered."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self._pool = database._primary.pool

    def __enter__(self) -> Self:
        recorded = self

        class Recording(Cursor):
            def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002 - as psycopg2 has it
                recorded.append(str(query))
                super().execute(query, vars)

        def record(connection: Any, *_: Any) -> None:
            connection.cursor_factory = Recording

        self._record = record
        event.listen(self._pool, "checkout", record)
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(self._pool, "checkout", self._record)
        event.listen(self._pool, "checkout", _forget, once=True)

    def check_no_repeats(self) -> None:
        """Fail where one statement was sent more than once: a query per row."""
        counted = Counter(_SETTINGS.sub("", message) for message in self)
        repeated = [message for message, times in counted.items() if times > 1]
        assert not repeated, repeated

    def take(self) -> list[str]:
        """What was sent since the last take."""
        taken = list(self)
        self.clear()
        return taken


def _forget(connection: Any, *_: Any) -> None:
    connection.cursor_factory = Cursor
