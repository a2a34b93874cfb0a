"""Counts what goes over the wire: psycopg2 sends one message per `execute`, COMMIT included."""

import re
from collections import Counter
from contextlib import ExitStack
from typing import Any, Self

from psycopg2.extensions import cursor as Cursor  # noqa: N812 - psycopg2 names its class so

from ..database import Database
from .cursors import cursors

_SETTINGS = re.compile(r"(BEGIN|SET)[^;]*; ")


class RoundTrips(list[str]):
    """A context manager: lists the messages that units send to the primary inside it."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self._database = database
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self._open.enter_context(cursors(self._database, _recording_cursor(self)))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def check_no_repeats(self) -> None:
        """Raise AssertionError where one statement was sent more than once: a query per row."""
        counted = Counter(_SETTINGS.sub("", message) for message in self)
        repeated = [message for message, times in counted.items() if times > 1]
        if repeated:
            raise AssertionError(f"These statements were sent more than once: {repeated}")

    def take(self) -> list[str]:
        """Return the messages since the last call, and forget them."""
        taken = list(self)
        self.clear()
        return taken


def _recording_cursor(messages: list[str]) -> type[Cursor]:
    class RecordingCursor(Cursor):
        def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002 - as psycopg2 has it
            messages.append(str(query))
            super().execute(query, vars)

    return RecordingCursor
