"""Snoozed conversations wake once, when their time has come."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from app.services import ConversationLifecycle
from tests.client import Client, codes
from tests.conversations import actions_of, events_of, moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db import Database

    Sql = Callable[..., list[tuple[Any, ...]]]
    Start = Callable[..., str]


def test_snoozed_until_then(staff: Client, start: Start) -> None:
    """The moment can be moved, which is no change of status, and goes with the status."""
    path, until, later = start(), moment(hours=1), moment(hours=2)
    first = staff.post(f"{path}/snooze", {"until": until}).json
    assert (first["status"], first["snoozed_until"]) == ("snoozed", until)
    second = staff.post(f"{path}/snooze", {"until": later}).json
    assert second["snoozed_until"] == later
    assert second["status_changed_at"] == first["status_changed_at"]
    assert staff.post(f"{path}/reopen").json["snoozed_until"] is None


def test_snoozed_in_any_zone(staff: Client, start: Start) -> None:
    """It is answered in UTC."""
    answer = staff.post(f"{start()}/snooze", {"until": "2999-01-01T00:00:00+02:00"})
    assert answer.json["snoozed_until"] == "2998-12-31T22:00:00Z"


@pytest.mark.parametrize("ago", [0, 1, 86_400])
def test_the_past_is_no_time_to_wake(staff: Client, start: Start, ago: int) -> None:
    """Nor is this very moment."""
    answer = staff.post(f"{start()}/snooze", {"until": moment(seconds=-ago)})
    assert codes(answer) == {"/until": "range"}


def test_what_is_due_wakes_once(
    admin: Client, staff: Client, start: Start, sql: Sql, database: Database
) -> None:
    """It is open again, by nobody in particular; what is not due or deleted sleeps on."""
    due, later, gone = start("snoozed"), start("snoozed"), start("snoozed")
    staff.delete(gone)
    for path in (due, gone):
        _make_due(sql, path)
    lifecycle = ConversationLifecycle.as_system(database)
    assert [lifecycle.wake_due(), lifecycle.wake_due()] == [1, 0]
    woken = staff.get(due).json
    assert (woken["status"], woken["snoozed_until"]) == ("open", None)
    event = events_of(staff, due)[-1]
    assert (event["action"], event["actor"]["type"]) == ("woken", "system")
    assert event["changes"]["status"] == {"before": "snoozed", "after": "open"}
    assert staff.get(later).json["status"] == "snoozed"
    assert admin.get(f"{gone}?include_deleted=true").json["status"] == "snoozed"


def test_many_alarm_clocks_wake_each_one_once(
    staff: Client, start: Start, sql: Sql, database: Database
) -> None:
    """Several jobs at the same time share the work, and no conversation is woken twice."""
    paths = [start("snoozed") for _ in range(30)]
    _make_due(sql)
    lifecycle, ready = ConversationLifecycle.as_system(database), threading.Barrier(4)

    def wake(_: int) -> int:
        ready.wait()
        return sum(lifecycle.wake_due() for _ in range(2))

    with ThreadPoolExecutor(4) as pool:
        woken = list(pool.map(wake, range(4)))
    assert sum(woken) + lifecycle.wake_due() == len(paths)
    for path in paths:
        assert actions_of(staff, path) == ["created", "snoozed", "woken"]


def test_what_somebody_else_holds_wakes_the_next_time(
    staff: Client, start: Start, sql: Sql, database: Database, database_url: str
) -> None:
    """The job waits for nobody: it goes on with the others."""
    held, free = start("snoozed"), start("snoozed")
    _make_due(sql)
    lifecycle = ConversationLifecycle.as_system(database)
    with closing(psycopg2.connect(database_url)) as holder, holder.cursor() as cursor:
        key = held.rpartition("/")[2]
        cursor.execute("SELECT FROM conversations WHERE id = %s FOR UPDATE", (key,))
        assert lifecycle.wake_due() == 1
        assert staff.get(free).json["status"] == "open"
        holder.rollback()
    assert lifecycle.wake_due() == 1
    assert staff.get(held).json["status"] == "open"


def _make_due(sql: Sql, path: str | None = None) -> None:
    """Let what is snoozed, or this one, be due a second ago."""
    sql(
        "UPDATE conversations SET snoozed_until = now() - interval '1 second'"
        " WHERE status = 'snoozed' AND (%s IS NULL OR id = %s::uuid)",
        path,
        path and path.rpartition("/")[2],
    )
