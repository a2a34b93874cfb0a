"""The target of a merge: its status, what wakes it, and that nothing in it is buried."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.client import Client
from tests.conversations import PATH
from tests.merging import changes_of, merge, read

if TYPE_CHECKING:
    from collections.abc import Callable

    Sql = Callable[..., list[tuple[Any, ...]]]
    Start = Callable[..., str]


STATUSES = ["open", "snoozed", "pending", "resolved"]  # the desk looks at the first ones sooner


def _bring_to(client: Client, key: str, status: str) -> None:
    if status == "pending":
        client.create(f"{PATH}/{key}/messages", {"direction": "outbound", "body": "x"})
    elif status == "snoozed":
        client.post(f"{PATH}/{key}/snooze", {"until": "2999-01-01T00:00:00Z"})
    elif status == "resolved":
        client.post(f"{PATH}/{key}/resolve")
    assert read(client, key)["status"] == status


@pytest.mark.parametrize("status", STATUSES)
def test_the_target_keeps_its_status(staff: Client, begin: Start, status: str) -> None:
    """It stays as it was where the source has the same status or has ended."""
    for of_source in {status, "resolved"}:
        source, target = begin("a"), begin("b")
        _bring_to(staff, source, of_source)
        _bring_to(staff, target, status)
        before = read(staff, target)
        assert merge(staff, source, target).json == before
        merged = read(staff, source)
        assert (merged["status"], merged["snoozed_until"]) == ("closed", None)


@pytest.mark.parametrize("of_target", STATUSES)
@pytest.mark.parametrize("of_source", STATUSES)
def test_nothing_is_buried_by_a_merge(
    staff: Client, begin: Start, sql: Sql, of_source: str, of_target: str
) -> None:
    """The target has the status that the desk looks at sooner, and its clock runs accordingly.

    An event reports the change.
    """
    source, target = begin("a"), begin("b")
    _bring_to(staff, source, of_source)
    _bring_to(staff, target, of_target)
    before, events = read(staff, target), changes_of(staff, target)
    merged = merge(staff, source, target).json
    expected = min(of_source, of_target, key=STATUSES.index)
    assert merged["status"] == expected
    assert merged == read(staff, target)
    assert (merged["snoozed_until"] is not None) == (expected == "snoozed")
    new = changes_of(staff, target)[len(events) :]
    if expected == of_target:
        assert (new, merged) == ([], before)
        return
    [(action, changes)] = new
    assert action == ("snoozed" if expected == "snoozed" else "reopened")
    assert changes["status"] == {"before": of_target, "after": expected}
    assert merged["version"] == before["version"] + 1
    stands_still = expected in {"pending", "resolved"}
    left = sql("SELECT resolution_left IS NOT NULL FROM conversations WHERE id = %s", target)
    assert left == [(stands_still,)]
    assert staff.get(f"{PATH}?status={expected}").json["items"] == [merged]


@pytest.mark.parametrize("of_target", ["snoozed", "pending", "resolved"])
def test_an_unanswered_message_opens_the_target(
    staff: Client, begin: Start, of_target: str
) -> None:
    """Also one in a snoozed conversation; where it was answered or resolved there is no need."""
    asked = {"message": {"body": "Hello?"}}
    source, target = begin(**asked), begin("b")
    _bring_to(staff, source, "snoozed")
    _bring_to(staff, target, of_target)
    merged = merge(staff, source, target).json
    assert (merged["status"], merged["snoozed_until"]) == ("open", None)
    for ended in ({"message": {"body": "Bye."}}, {}):
        source, target = begin(**asked), begin("b")
        staff.post(f"{PATH}/{source}/resolve", ended)
        _bring_to(staff, target, of_target)
        assert merge(staff, source, target).json["status"] == of_target


def test_a_message_that_came_too_late_to_reopen_opens_the_target(
    staff: Client, begin: Start, sql: Sql
) -> None:
    """A customer who wrote after the re-open window is unanswered."""
    source, target = begin("a"), begin("b")
    for key in (source, target):
        _bring_to(staff, key, "resolved")
    sql("UPDATE conversations SET status_changed_at = status_changed_at - interval '8 days'")
    staff.create(f"{PATH}/{source}/messages", {"direction": "inbound", "body": "Hello?"})
    assert read(staff, source)["status"] == "resolved"
    assert merge(staff, source, target).json["status"] == "open"


def test_of_two_snoozed_ones_the_earlier_time_wakes(staff: Client, begin: Start) -> None:
    """Whichever is merged into which."""
    times = ["2998-01-01T00:00:00Z", "2999-01-01T00:00:00Z"]
    for first, second in (times, times[::-1]):
        source, target = begin("a"), begin("b")
        staff.post(f"{PATH}/{source}/snooze", {"until": first})
        staff.post(f"{PATH}/{target}/snooze", {"until": second})
        assert merge(staff, source, target).json["snoozed_until"] == times[0]
