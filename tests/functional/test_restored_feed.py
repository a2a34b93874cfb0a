"""A dump that is restored on another server keeps its change feed."""

from __future__ import annotations

import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest

from app import create_app
from app.api.kit.context import cursors
from app.embedded import find_bindir
from app.services import CustomerService, EventService
from app.settings import Settings
from tests.client import Client
from tests.event_feed import read_all, read_on
from tests.server import TestServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from flask import Flask

    from app.db import Database

    Sql = Callable[..., list[tuple[Any, ...]]]

# Each of these transactions takes an id: more than a new server has given out.
_TAKE_IDS = """
DO $$ BEGIN FOR i IN 1..20000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$
"""
_WAITS = """
SELECT count(*) FROM pg_locks
WHERE relation = 'events'::regclass AND mode = 'AccessExclusiveLock' AND NOT granted
"""


@pytest.fixture(scope="module")
def new_server() -> Iterator[TestServer]:
    server = TestServer(throw_away=True)
    yield server
    server.stop()


@pytest.fixture
def move(
    database_url: str, tmp_path: Path, new_server: TestServer
) -> Iterator[Callable[[], Flask]]:
    """Dump the database, and restore it on a server that was just made."""
    apps: list[Flask] = []

    def move() -> Flask:
        url, file = new_server.create_empty(), str(tmp_path / "dump")
        for command in (
            ("pg_dump", "--format=custom", f"--file={file}", database_url),
            ("pg_restore", "--exit-on-error", f"--dbname={url}", file),
        ):
            subprocess.run([find_bindir() / command[0], *command[1:]], check=True)  # noqa: S603 - PostgreSQL's own programs
        apps.append(create_app(Settings(database_url=url, given_secret_key="k" * 32)))
        return apps[-1]

    yield move
    for app in apps:
        app.extensions["database"].dispose()


def create(database: Database, *references: str) -> None:
    for reference in references:
        CustomerService.as_system(database).create({"reference": reference, "name": "x"})


def references(events: list[dict[str, Any]]) -> list[str]:
    return [event["changes"]["reference"]["after"] for event in events]


def test_a_reader_goes_on_after_a_restore_on_a_new_server(
    staff: Client, database: Database, sql: Sql, move: Callable[[], Flask]
) -> None:
    """What they had not read yet comes first, then what is new, each once."""
    sql(_TAKE_IDS)
    create(database, "A", "B", "C", "D")
    read_all(staff, at_least=4)  # whoever held the feed back has ended
    seen, cursor = read_on(staff, None)
    app = move()
    done = app.test_cli_runner().invoke(args=["db", "restored"])
    assert (done.exit_code, done.output) == (0, "The change feed continues in epoch 1.\n")
    restored: Database = app.extensions["database"]
    create(restored, "E", "F")
    with restored.connect() as connection:
        ids = "SELECT epoch, max(xid)::text::bigint FROM events GROUP BY epoch ORDER BY epoch"
        (before, old), (after, new) = connection.exec_driver_sql(ids).all()
    assert (before, after) == (0, 1)
    assert new < old
    reader = Client(app, staff.token)
    rest, _ = read_all(reader, cursor, at_least=4)
    assert (references(seen), references(rest)) == (["A", "B"], ["C", "D", "E", "F"])
    assert references(read_all(reader, at_least=6)[0]) == ["A", "B", "C", "D", "E", "F"]


def test_restored_events_are_final_before_anything_new_is_written(
    staff: Client, database: Database, sql: Sql, move: Callable[[], Flask]
) -> None:
    """Their transactions seem to lie in the new server's future, and have ended all the same."""
    sql(_TAKE_IDS)
    create(database, "A")
    app = move()
    reader = Client(app, staff.token)
    assert read_on(reader, None)[0] == []
    for epoch in (1, 2):
        assert EventService.as_system(app.extensions["database"]).begin_epoch() == epoch
        assert references(read_on(reader, None)[0]) == ["A"]


def test_a_cursor_from_before_epochs_is_good(app: Flask, staff: Client, database: Database) -> None:
    """It names a place in the first epoch."""
    create(database, "A", "B", "C")
    read_all(staff, at_least=3)
    with app.test_request_context("/v1/events/feed"):
        (_, xid, key) = cursors().decode(read_on(staff, None)[1], "/v1/events/feed")
        cursor = cursors().encode([xid, key], "/v1/events/feed")
    assert references(read_on(staff, cursor)[0]) == ["C"]


def test_an_epoch_begins_when_those_who_write_events_have_ended(
    staff: Client, database: Database, sql: Sql
) -> None:
    """Otherwise a reader would take an epoch as read in which an event is still to come."""
    written, go_on = threading.Event(), threading.Event()

    def write() -> None:
        with database.connect():
            create(database, "late")
            written.set()
            assert go_on.wait(60)

    writer = threading.Thread(target=write)
    beginner = threading.Thread(target=EventService.as_system(database).begin_epoch)
    writer.start()
    assert written.wait(60)
    beginner.start()
    while sql(_WAITS) == [(0,)] and beginner.is_alive():
        beginner.join(0.01)
    assert beginner.is_alive()
    go_on.set()
    writer.join()
    beginner.join()
    create(database, "new")
    [(first,), (second,)] = sql(
        "SELECT epoch FROM events WHERE object_type = 'customers' ORDER BY id"
    )
    assert second == first + 1
    assert references(read_all(staff, at_least=2)[0]) == ["late", "new"]
