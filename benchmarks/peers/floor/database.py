"""One connection per thread. Each job is one statement, so none needs BEGIN and COMMIT."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import orjson
import psycopg2
from psycopg2.extras import register_default_jsonb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psycopg2.extensions import cursor

_local = threading.local()


def query(statement: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
    """The rows of a statement, which is committed; jsonb is passed on as PostgreSQL writes it."""
    cursor = _cursor()
    cursor.execute(statement, parameters)
    return cursor.fetchall()


def _cursor() -> cursor:
    if not hasattr(_local, "cursor"):
        connection = psycopg2.connect(os.environ["DATABASE_URL"], options="-c TimeZone=UTC")
        connection.autocommit = True
        register_default_jsonb(connection, loads=orjson.Fragment)
        _local.cursor = connection.cursor()
    found: cursor = _local.cursor
    return found
