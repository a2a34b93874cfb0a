"""The change feed: whoever reads it on from where they were misses nothing."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from app.services import CustomerService
from tests.client import codes, problem
from tests.event_feed import read_all

if TYPE_CHECKING:
    from app.db import Database
    from tests.client import Client


def test_an_event_that_commits_late_is_not_skipped(staff: Client, database: Database) -> None:
    """A unit that began first and commits last: a reader who came in between still gets it."""
    customers = CustomerService.as_system(database)
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        with database.connect():
            customers.create({"reference": "late", "name": "x"})
            begun.set()
            go_on.wait(60)

    thread = threading.Thread(target=slow)
    thread.start()
    assert begun.wait(60)
    customers.create({"reference": "early", "name": "x"})
    seen, cursor = read_all(staff)
    go_on.set()
    thread.join()
    rest, _ = read_all(staff, cursor, at_least=2 - len(seen))
    references = [
        event["changes"]["reference"]["after"]
        for event in seen + rest
        if event["object_type"] == "customers"
    ]
    assert sorted(references) == ["early", "late"]


def test_an_empty_feed_says_where_to_read_on(staff: Client, database: Database) -> None:
    """The cursor stays good: what comes later is found from it, once."""
    nothing, cursor = read_all(staff)
    assert nothing == []
    CustomerService.as_system(database).create({"reference": "A", "name": "x"})
    [event], cursor = read_all(staff, cursor, at_least=1)
    assert event["action"] == "created"
    assert event["changes"]["name"] == {"before": None, "after": "x"}
    assert read_all(staff, cursor)[0] == []


def test_the_feed_hides_what_the_list_hides(staff: Client, admin: Client) -> None:
    """Events of users and tokens are for admins."""
    assert {event["object_type"] for event in read_all(admin, at_least=4)[0]} == {"users", "tokens"}
    assert read_all(staff)[0] == []


def test_a_cursor_of_another_list_is_refused(staff: Client) -> None:
    """Nor does a changed one pass."""
    for cursor in ("x", "WyIwIl0.abc"):
        answer = staff.get(f"/v1/events/feed?cursor={cursor}")
        assert problem(answer) == (400, "invalid-cursor")
        assert codes(answer) == {"cursor": "invalid-cursor"}
    assert problem(staff.get("/v1/events/feed?sort=xid")) == (400, "invalid-parameter")
