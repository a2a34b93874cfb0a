"""Tasks are found by what they are about, by their input and by date, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tests.client import Client, problem
from tests.tasks import claim_one, create_task, ids

if TYPE_CHECKING:
    from collections.abc import Callable

    Sql = Callable[..., list[tuple[Any, ...]]]


def test_tasks_are_found_by_what_they_are_about(
    staff: Client, hire: Callable[..., Client], conversation: dict[str, Any]
) -> None:
    """By conversation, agent, queue, kind, priority, status and who runs them."""
    agent = hire(queues=["work", "other"])
    about = create_task(staff, conversation_id=conversation["id"], priority=9)["id"]
    addressed = create_task(staff, agent_id=agent.user_id, queue="other")["id"]
    urgent = create_task(staff, kind="call", priority=0)["id"]
    assert claim_one(agent)["id"] == urgent
    every = {about, addressed, urgent}
    for query, found in {
        f"conversation_id={conversation['id']}": {about},
        "conversation_id__is_null=true": {addressed, urgent},
        f"agent_id={agent.user_id}": {addressed},
        f"claimed_by_id={agent.user_id}": {urgent},
        "claimed_by_id__is_null=true": {about, addressed},
        "status=running": {urgent},
        "status__in=pending,running": every,
        "status__ne=pending": {urgent},
        "queue=other": {addressed},
        "queue__contains=OTH": {addressed},
        "kind=call": {urgent},
        "priority=0": {urgent},
        "priority__gte=5": {about, addressed},
        "priority__lt=9": {addressed, urgent},
        "lease_expires_at__is_null=false": {urgent},
        "started_at__is_null=true&status=pending": {about, addressed},
        "dedupe_key__is_null=true": every,
        "status=completed": set(),
    }.items():
        assert ids(staff, query) == found, query


def test_tasks_are_found_by_their_input(staff: Client) -> None:
    """Every word of q is in it somewhere, whatever the case; % and _ are no wildcards."""
    percent = create_task(staff, input={"note": "100% sure"})["id"]
    under = create_task(staff, input={"note": "snake_case", "deep": [{"x": "Needle"}]})["id"]
    create_task(staff, input={"note": "plain"}, metadata={"note": "Needle"})
    for query, found in {
        "%": {percent},
        "_": {under},
        "needle": {under},
        "NEEDLE snake": {under},
        "needle sure": set(),
        "100% SURE": {percent},
        "nowhere": set(),
    }.items():
        assert ids(staff, f"q={quote(query)}") == found, query


def test_tasks_are_found_by_date(staff: Client, sql: Sql) -> None:
    """From one moment on, up to another one, and between the two."""
    days = {}
    for day in (1, 2, 3):
        days[day] = create_task(staff, run_after=f"2031-01-0{day}T12:00:00Z")["id"]
        sql("UPDATE tasks SET created_at = %s WHERE id = %s", f"2026-01-0{day}T12:00Z", days[day])
    between = "created_at__gte=2026-01-02T12:00:00Z&created_at__lt=2026-01-03T12:00:00Z"
    assert ids(staff, between) == {days[2]}
    assert ids(staff, "created_at__gt=2026-01-02T12:00:00Z") == {days[3]}
    assert ids(staff, "created_at__lte=2026-01-02T14:00:00%2B02:00") == {days[1], days[2]}
    assert ids(staff, "run_after__gte=2031-01-03T12:00:00Z") == {days[3]}
    for wrong in ("created_at__gte=2026-01-02", "created_at__gte=2026-01-02T12:00:00"):
        assert problem(staff.get(f"/v1/tasks?{wrong}")) == (400, "invalid-parameter")


@pytest.mark.parametrize(
    "query",
    [
        *("priority=x", "priority=1.5", "priority=true", "conversation_id=x", "attempt=1"),
        *("lane=work", "lease_token=x", "metadata=1", "status__gt=a", "sort=kind", "sort=lane"),
        *("input__contains=a", "parent_id__is_null=1", "limit=101", "cursor=x"),
    ],
)
def test_what_can_not_be_asked_is_refused(staff: Client, query: str) -> None:
    """Unknown filters, operators, sorts and values that do not fit."""
    assert staff.get(f"/v1/tasks?{query}").status_code == 400


def test_tasks_are_sorted_and_paged(staff: Client) -> None:
    """By priority, then the newest first, a page at a time, none twice and none left out."""
    made = [create_task(staff, priority=number % 3)["id"] for number in range(7)]
    expected = sorted(range(7), key=lambda number: (number % 3, -number))
    found: list[str] = []
    path = "/v1/tasks?sort=priority,-created_at&limit=3&include_total=true"
    cursor: str | None = ""
    while cursor is not None:
        page = staff.get(path + cursor).json
        assert page["total"] == 7
        found += [task["id"] for task in page["items"]]
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
    assert found == [made[number] for number in expected]
