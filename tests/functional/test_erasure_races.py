"""An erasure and who writes about the same customer at the same moment."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from app.domain.customers import NotErasable
from app.services import ErasureService

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db import Database
    from tests.client import Answer, Client

    Sql = Callable[..., list[tuple[Any, ...]]]


def patch(client: Client, ann: str, talk: str) -> Answer:
    return client.patch(f"/v1/customers/{ann}", {"name": "canary001.name"})


def write(client: Client, ann: str, talk: str) -> Answer:
    message = {"direction": "inbound", "body": "Hello again"}
    return client.post(f"/v1/conversations/{talk}/messages", message)


def open_talk(client: Client, ann: str, talk: str) -> Answer:
    opened = {"customer_id": ann, "subject": "New", "channel": "web", "message": {"body": "Hello"}}
    return client.post("/v1/conversations", opened)


def remind(client: Client, ann: str, talk: str) -> Answer:
    todo = {"description": "canary001.todo", "conversation_id": talk}
    return client.post("/v1/todos", todo)


_WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


def wait_for_waiters(sql: Sql, count: int) -> None:
    """Of this database alone: pg_locks shows those of other workers too."""
    deadline = time.monotonic() + 60
    while sql(_WAITING)[0][0] < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("erasure_first", [False, True])
@pytest.mark.parametrize(
    ("request_", "table"),
    [
        (patch, "customers"),
        (open_talk, "customers"),
        (write, "conversations"),
        (remind, "conversations"),
    ],
)
def test_what_comes_meanwhile_is_seen_or_comes_after(
    desk: Client,
    sql: Sql,
    dump: Callable[[], str],
    request_: Callable[..., Answer],
    table: str,
    *,
    erasure_first: bool,
) -> None:
    """Whoever is first in the queue for the row: nothing slips in between two looks."""
    ann = desk.create("/v1/customers", {"reference": "A-1", "name": "canary000.name"})["id"]
    talk = {"customer_id": ann, "subject": "x", "channel": "web"}
    talk = desk.create("/v1/conversations", talk)["id"]
    desk.post(f"/v1/conversations/{talk}/resolve")
    database: Database = desk._app.extensions["database"]
    erasure = ErasureService.as_system(database)
    calls = [lambda: request_(desk, ann, talk).status_code, lambda: erasure.erase(ann)]
    with closing(psycopg2.connect(database.url)) as blocker, ThreadPoolExecutor(2) as pool:
        with blocker.cursor() as cursor:
            cursor.execute(f"SELECT FROM {table} FOR UPDATE")
        running = []
        for call in reversed(calls) if erasure_first else calls:
            running.append(pool.submit(call))
            wait_for_waiters(sql, len(running))
        blocker.rollback()
        errors = [future.exception() for future in running]
    left = set(re.findall(r"canary\d{3}\.\w+", dump()))
    if not erasure_first and request_ in (write, open_talk):  # there is work again
        assert [type(error) for error in errors] == [type(None), NotErasable]
        assert left == {"canary000.name"}
        return
    assert errors == [None, None]
    later = {patch: {"canary001.name"}, remind: {"canary001.todo"}}.get(request_, set())
    assert left == (later if erasure_first else set())
    assert sql("SELECT author_name FROM messages") in ([], [("[erased]",)])
