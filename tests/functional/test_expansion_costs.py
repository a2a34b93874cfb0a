"""What expansions cost: one statement for each name, in one snapshot."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from app.db import Database
from app.repositories import CustomerRepository
from tests.client import Client
from tests.expansion import CONVERSATIONS, TASKS, create_conversation, create_task

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db.testing import RoundTrips

    Hire = Callable[..., Client]
    Body = dict[str, Any]


def test_a_name_costs_one_statement_however_many_items(
    staff: Client, ann: Body, bea: Body, round_trips: RoundTrips
) -> None:
    """Fifty items as one, two levels deep; and a read as a list."""
    query = "limit=100&expand=conversation.customer,conversation.assignee,parent,agent"
    costs = []
    for count in (1, 49):
        for _ in range(count):
            talk = create_conversation(staff, ann, assignee_id=bea["id"])
            above = create_task(staff)
            create_task(
                staff,
                kind="x",
                conversation_id=talk["id"],
                parent_id=above["id"],
                agent_id=bea["id"],
            )
        round_trips.clear()
        items = staff.get(f"{TASKS}?kind=x&{query}").json["items"]
        assert all(item["conversation"]["customer"] and item["agent"] for item in items)
        costs.append(len(round_trips.take()))
    assert len(items) == 50
    assert costs == [7, 7]  # with the COMMIT of the snapshot
    staff.get(f"{TASKS}/{items[0]['id']}?expand=conversation.customer,parent")
    assert len(round_trips) == 5


def test_an_agents_list_costs_no_more_for_more_items(
    staff: Client, hire: Hire, ann: Body, round_trips: RoundTrips
) -> None:
    """What it may see is asked once for all of them."""
    bot = hire()
    bot.get("/v1/me")  # the token is known from here on
    above = create_task(staff, agent_id=bot.user_id)
    path = f"{TASKS}/{above['id']}/subtasks?limit=100&expand=conversation.customer"
    costs = []
    for count in (1, 20):
        for _ in range(count):
            talk = create_conversation(staff, ann)
            create_task(
                staff,
                parent_id=above["id"],
                conversation_id=talk["id"],
                agent_id=bot.user_id,
            )
        round_trips.clear()
        items = bot.get(path).json["items"]
        assert all(item["conversation"]["customer"]["id"] == ann["id"] for item in items)
        costs.append(len(round_trips.take()))
    assert len(items) == 21
    assert costs == [8, 8]


def test_a_read_without_expansions_is_one_message(
    staff: Client, ann: Body, round_trips: RoundTrips
) -> None:
    """A snapshot is only for answers that are read by several statements."""
    talk = create_conversation(staff, ann)
    round_trips.clear()
    staff.get(f"{CONVERSATIONS}/{talk['id']}")
    staff.get(f"{CONVERSATIONS}?fields=id")
    assert len(round_trips) == 2


def test_where_there_is_nothing_to_expand_nothing_is_opened(
    staff: Client, ann: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One unit of work, and no block in it for a conversation without an assignee."""
    talk = create_conversation(staff, ann)
    opened: list[str] = []
    open_unit = Database._unit

    def counted(self: Database, mode: Any) -> Any:
        opened.append("unit")
        return open_unit(self, mode)

    monkeypatch.setattr(Database, "_unit", counted)
    counts = []
    for names in ("customer", "customer,assignee", "customer,assignee,merged_into"):
        opened.clear()
        assert staff.get(f"{CONVERSATIONS}/{talk['id']}?expand={names}").json["customer"]
        counts.append(len(opened))
    assert counts == [3, 3, 3]  # the snapshot; joined by the conversation and the customer


@pytest.mark.parametrize("path", [f"{CONVERSATIONS}/%s", f"{CONVERSATIONS}?number__gte=1"])
def test_an_item_and_what_is_expanded_are_of_one_moment(
    staff: Client,
    ann: Body,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
) -> None:
    """A change that commits between the two statements is in neither of them."""
    talk = create_conversation(staff, ann)
    by_id = CustomerRepository.by_id

    def renamed_first(*arguments: Any) -> Any:
        with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
            cursor.execute("UPDATE customers SET name = 'Renamed'")
            cursor.execute("UPDATE conversations SET subject = 'Renamed'")
            other.commit()
        return by_id(*arguments)

    monkeypatch.setattr(CustomerRepository, "by_id", renamed_first)
    asked = path.replace("%s", talk["id"])
    answer = staff.get(f"{asked}{'&' if '?' in asked else '?'}expand=customer").json
    item = answer["items"][0] if "items" in answer else answer
    assert (item["subject"], item["customer"]["name"]) == ("Help", ann["name"])
    assert staff.get(f"{CONVERSATIONS}/{talk['id']}").json["subject"] == "Renamed"
