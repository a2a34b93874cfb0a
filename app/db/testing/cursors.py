"""Another class of cursor for the connections of a Database: each message passes through it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg2.extensions import cursor as Cursor  # noqa: N812 - psycopg2 names its class so
from sqlalchemy import event

from ..database import Database


@contextmanager
def cursors(database: Database, of: type[Cursor]) -> Iterator[None]:
    """Connections of the primary that units take from the pool inside the block have such cursors.

    The connections stay in the pool: PostgreSQL is slow with the first statements of a new one.
    """
    before: dict[Any, Any] = {}

    def change(connection: Any, *_: Any) -> None:
        before.setdefault(connection, connection.cursor_factory)
        connection.cursor_factory = of

    pool = database.pool
    event.listen(pool, "checkout", change)
    try:
        yield
    finally:
        event.remove(pool, "checkout", change)
        for connection, factory in before.items():
            connection.cursor_factory = factory
