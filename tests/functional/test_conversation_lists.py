"""Conversations are found, sorted and listed, also those of one customer."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.client import Client, problem
from tests.conversations import PATH

if TYPE_CHECKING:
    from collections.abc import Callable

    Start = Callable[..., str]


@pytest.fixture
def three(staff: Client, start: Start, hire: Callable[..., Client]) -> dict[str, str]:
    """Three conversations by name, with values for the filters."""
    agent = hire().user_id
    return {
        "ship": start(subject="A ship sank", priority="urgent", assignee_id=agent),
        "shop": start("pending", subject="A shop 100%_", channel="web", tags=["vip"]),
        "loan": start("snoozed", subject="The LOAN", priority="low"),
        "agent": agent,
    }


def _found(client: Client, three: dict[str, str], query: str) -> list[str]:
    answer = client.get(f"{PATH}?{query}")
    assert answer.status_code == 200, answer.text
    names = {path.rpartition("/")[2]: name for name, path in three.items()}
    return [names[item["id"]] for item in answer.json["items"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=open", ["ship"]),
        ("status__ne=open", ["shop", "loan"]),
        ("status__in=open,snoozed", ["ship", "loan"]),
        ("channel=web", ["shop"]),
        ("priority__in=low,urgent", ["ship", "loan"]),
        ("subject__contains=SHO", ["shop"]),
        ("subject=The LOAN", ["loan"]),
        ("assignee_id={agent}", ["ship"]),
        ("assignee_id__is_null=true", ["shop", "loan"]),
        ("snoozed_until__is_null=false", ["loan"]),
        ("snoozed_until__gt=2020-01-01T00:00:00Z", ["loan"]),
        ("first_responded_at__is_null=false", ["shop"]),
        ("merged_into_id__is_null=false", []),
        ("resolution_due_at__lt=2020-01-01T00:00:00Z", []),
        ("status=open&priority=low", []),
        ("q=a", ["ship", "shop", "loan"]),
        ("q=A SH", ["ship", "shop"]),
        ("q=%25", ["shop"]),
        ("q=_", ["shop"]),
        ("q=loan the", ["loan"]),
    ],
)
def test_conversations_are_filtered_and_searched(
    staff: Client, three: dict[str, str], query: str, found: list[str]
) -> None:
    """By what a queue of work is made of; a search takes its characters as they are."""
    query = query.format(agent=three["agent"])
    assert _found(staff, three, f"sort=number&{query}") == found


@pytest.mark.parametrize(
    ("sort", "found"),
    [
        ("", ["loan", "shop", "ship"]),
        ("sort=created_at", ["ship", "shop", "loan"]),
        ("sort=-number", ["loan", "shop", "ship"]),
        ("sort=first_response_due_at", ["ship", "shop", "loan"]),
        ("sort=-resolution_due_at", ["loan", "shop", "ship"]),
        ("sort=updated_at&limit=1", ["ship"]),
    ],
)
def test_conversations_are_sorted(
    staff: Client, three: dict[str, str], sort: str, found: list[str]
) -> None:
    """The newest first unless asked otherwise; what is due first by its clock."""
    assert _found(staff, three, sort) == found


@pytest.mark.parametrize(
    "query",
    [
        "tags=vip",
        "last_seq=0",
        "resolution_left__is_null=true",
        "status_changed_at__lt=2020-01-01T00:00:00Z",
        "sort=subject",
        "sort=status",
        "number=x",
        "customer_id=1",
        "created_at__gt=yesterday",
        "status__like=o",
        "priority=",
        "q=",
        "limit=101",
    ],
)
def test_what_is_not_declared_can_not_be_asked_for(staff: Client, query: str) -> None:
    """Neither of the list nor of a customer's; 400 rather than a list of anything else."""
    for path in (PATH, f"/v1/customers/{uuid4()}/conversations"):
        assert problem(staff.get(f"{path}?{query}")) == (400, "invalid-parameter")


def test_conversations_of_a_customer(
    admin: Client, staff: Client, start: Start, customer: str
) -> None:
    """A list like any other, of this customer alone, and none of a customer who is not there."""
    bob = staff.create("/v1/customers", {"reference": "C-2", "name": "Bob"})["id"]
    start(customer_id=bob)
    paths = [start("pending"), start("snoozed"), start()]
    url = f"/v1/customers/{customer}/conversations"
    listed = staff.get(f"{url}?include_total=true").json
    assert [item["id"] for item in listed["items"]] == [p.rpartition("/")[2] for p in paths[::-1]]
    assert listed["total"] == 3
    page = staff.get(f"{url}?limit=2&sort=number").json
    rest = staff.get(f"{url}?limit=2&sort=number&cursor={page['next_cursor']}").json
    assert [*page["items"], *rest["items"]] == listed["items"][::-1]
    other = f"/v1/customers/{bob}/conversations?limit=2&sort=number"
    assert problem(staff.get(f"{other}&cursor={page['next_cursor']}")) == (400, "invalid-cursor")
    assert len(staff.get(f"{url}?status=pending").json["items"]) == 1
    assert problem(staff.get(f"{url}?customer_id={bob}")) == (400, "invalid-parameter")
    for path in paths:
        staff.delete(path)
    staff.delete(f"/v1/customers/{customer}")
    for missing in (url, f"/v1/customers/{uuid4()}/conversations"):
        assert problem(staff.get(missing)) == (404, "not-found")


def test_only_admins_see_a_customers_deleted_conversations(
    admin: Client, staff: Client, viewer: Client, start: Start, customer: str
) -> None:
    """As everywhere: to others include_deleted is forbidden, here too."""
    path = start()
    staff.delete(path)
    url = f"/v1/customers/{customer}/conversations"
    assert len(admin.get(f"{url}?include_deleted=true").json["items"]) == 1
    assert admin.get(url).json["items"] == []
    for client in (staff, viewer):
        assert problem(client.get(f"{url}?include_deleted=true")) == (403, "forbidden")
        assert client.get(f"{url}?include_deleted=false").json["items"] == []
