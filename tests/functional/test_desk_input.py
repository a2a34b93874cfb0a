"""What may be asked of the desk, and how it is told that it may not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.client import codes, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db.testing import RoundTrips
    from tests.client import Client


@pytest.fixture
def tagged(admin: Client) -> dict[str, str]:
    """Three conversations: the id of each by its subject."""
    customer = admin.create("/v1/customers", {"reference": "A", "name": "Ann"})["id"]
    new = {"customer_id": customer, "channel": "web"}
    return {
        subject: admin.create("/v1/conversations", {**new, "subject": subject, "tags": tags})["id"]
        for subject, tags in {"both": ["vip", "fee"], "one": ["fee"], "none": []}.items()
    }


@pytest.mark.parametrize(
    ("tag", "found"), [("fee", {"both", "one"}), ("vip", {"both"}), ("FEE", set()), ("%", set())]
)
def test_conversations_are_found_by_a_tag(
    admin: Client, tagged: dict[str, str], tag: str, found: set[str]
) -> None:
    """By the whole tag, as it is written."""
    answer = admin.send("GET", f"/v1/conversations?tags__contains={tag}".replace("%", "%25"))
    assert {item["subject"] for item in answer.json["items"]} == found


def test_agents_are_found_by_a_queue(admin: Client, hire: Callable[..., Client]) -> None:
    """Who works here?"""
    hire("one", ["mail", "calls"])
    hire("two", ["mail"])
    items = admin.get("/v1/agents?queues__contains=calls").json["items"]
    assert [agent["name"] for agent in items] == ["one"]


@pytest.mark.parametrize("query", ["tags=fee", "tags__in=fee", "tags__ne=fee", "tags__contains="])
def test_a_list_is_compared_by_nothing_else(admin: Client, query: str) -> None:
    """What has no meaning is refused."""
    assert problem(admin.get(f"/v1/conversations?{query}")) == (400, "invalid-parameter")


def test_a_conversation_is_found_by_a_number_of_any_size(admin: Client) -> None:
    """Numbers are not limited to 32 bits."""
    for number in (3_000_000_000, 999_999_999_999_999_999):
        assert admin.get(f"/v1/conversations?number={number}").json["items"] == []
    answer = admin.get(f"/v1/conversations?number={10**18}")
    assert problem(answer) == (400, "invalid-parameter")


def test_what_is_nested_has_the_codes_of_all_fields(admin: Client) -> None:
    """null in the place of an object is told as null."""
    customer = admin.create("/v1/customers", {"reference": "A", "name": "Ann"})["id"]
    new = {"customer_id": customer, "channel": "web", "subject": "x", "message": None, "task": 1}
    assert codes(admin.post("/v1/conversations", new)) == {"/message": "null", "/task": "type"}


def test_a_long_list_is_refused_before_it_is_read(admin: Client) -> None:
    """One mistake, not a hundred thousand."""
    answer = admin.post("/v1/tasks/claim", {"queues": [""] * 100_000})
    assert codes(answer) == {"/queues": "length"}


def test_what_is_personal_in_tasks_can_be_erased(admin: Client, sql: Any) -> None:
    """It is in the events as read, and in none of the rows that are never changed."""
    task = {"kind": "x", "queue": "work", "input": {"e": "canary"}, "metadata": {"m": "canary"}}
    key = admin.create("/v1/tasks", task)["id"]
    admin.create("/v1/todos", {"description": "canary"})
    (event,) = admin.get(f"/v1/events?object_id={key}").json["items"]
    assert event["changes"]["input"]["after"] == {"e": "canary"}
    assert event["changes"]["metadata"]["after"] == {"m": "canary"}
    assert sql("SELECT count(*) FROM events WHERE changes::text LIKE '%%canary%%'") == [(0,)]


def test_the_agent_of_an_inactive_user_is_let_in_no_more(
    admin: Client, sign_in: Callable[[str], Client], hire: Callable[..., Client]
) -> None:
    """Nor does its token outlive the user's."""
    ann = sign_in("staff")
    agent = hire("ann", kind="human", user_id=ann.user_id)
    assert agent.get("/v1/me").status_code == 200
    admin.post("/v1/users/deactivate", {"ids": [ann.user_id]})
    assert problem(agent.get("/v1/me")) == (401, "unauthenticated")


def test_a_hand_off_by_a_patch_is_one_too(admin: Client, hire: Callable[..., Client]) -> None:
    """From a person to a program, whichever way it is asked for."""
    person, bot = hire("ann", kind="human"), hire("bot")
    customer = admin.create("/v1/customers", {"reference": "A", "name": "Ann"})["id"]
    new = {"customer_id": customer, "subject": "x", "channel": "web", "assignee_id": person.user_id}
    key = admin.create("/v1/conversations", new)["id"]
    admin.patch(f"/v1/conversations/{key}", {"assignee_id": bot.user_id})
    events = admin.get(f"/v1/events?object_id={key}").json["items"]
    assert [event["action"] for event in events] == ["handed-off", "created"]


def test_a_task_that_was_there_before_is_no_part_of_a_new_conversation(admin: Client) -> None:
    """Rather nothing than half of it."""
    customer = admin.create("/v1/customers", {"reference": "A", "name": "Ann"})["id"]
    task = {"kind": "x", "queue": "work", "dedupe_key": "once"}
    new = {"customer_id": customer, "subject": "x", "channel": "web", "task": task}
    assert admin.post("/v1/conversations", new).status_code == 201
    assert problem(admin.post("/v1/conversations", new)) == (409, "already-exists")
    assert len(admin.get("/v1/conversations").json["items"]) == 1


def test_no_sub_task_is_put_below_what_is_being_cancelled(
    admin: Client, hire: Callable[..., Client]
) -> None:
    """It would outlive its parent."""
    parent = admin.create("/v1/tasks", {"kind": "x", "queue": "work"})["id"]
    hire().post("/v1/tasks/claim")
    admin.post(f"/v1/tasks/{parent}/cancel")
    child = {"kind": "x", "queue": "work", "parent_id": parent}
    assert problem(admin.post("/v1/tasks", child)) == (409, "parent-finished")


def test_cancelling_many_sub_tasks_costs_no_more_statements(
    admin: Client, round_trips: RoundTrips
) -> None:
    """Nor does one more level."""
    sent = []
    for count in (1, 30):
        parent = admin.create("/v1/tasks", {"kind": "x", "queue": "work"})["id"]
        for _ in range(count):
            below = {"kind": "x", "queue": "work", "parent_id": parent}
            child = admin.create("/v1/tasks", below)["id"]
        admin.create("/v1/tasks", {**below, "parent_id": child})
        round_trips.take()
        assert admin.post(f"/v1/tasks/{parent}/cancel").json["status"] == "cancelled"
        sent.append(len(round_trips.take()))
        items = admin.get(f"/v1/tasks/{parent}/subtasks?limit=100").json["items"]
        assert {item["status"] for item in items} == {"cancelled"}
    assert sent[0] == sent[1]


def test_nobody_waits_for_each_other(desk: Client, hire: Callable[..., Client], sql: Any) -> None:
    """Deactivations, assignments, sub-tasks and moves at once: no deadlock, and no 503."""
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    before = sql(deadlocks)
    customer = desk.create("/v1/customers", {"reference": "A", "name": "Ann"})["id"]
    new = {"customer_id": customer, "subject": "x", "channel": "web"}
    heir = hire("heir").user_id
    for number in range(6):
        agent = hire(f"bot {number}").user_id
        talk, other = (desk.create("/v1/conversations", new)["id"] for _ in range(2))
        desk.post(f"/v1/conversations/{talk}/assign", {"agent_id": agent})
        task = {"kind": "x", "queue": "work", "conversation_id": talk}
        roots = [desk.create("/v1/tasks", {**task, "agent_id": agent})["id"] for _ in range(3)]
        child = {**task, "agent_id": heir, "parent_id": roots[0]}
        calls: list[tuple[str, str, Any]] = [
            ("POST", f"/v1/agents/{agent}/deactivate", {"reassign_to": heir}),
            ("POST", f"/v1/conversations/{talk}/assign", {"agent_id": agent}),
            ("PATCH", f"/v1/conversations/{talk}", {"assignee_id": agent}),
            ("POST", "/v1/tasks", child),
            ("PATCH", f"/v1/tasks/{roots[1]}", {"parent_id": roots[0]}),
            ("PATCH", f"/v1/tasks/{roots[2]}", {"parent_id": roots[0], "agent_id": agent}),
            ("PATCH", f"/v1/tasks/{roots[1]}", {"conversation_id": other}),
            ("POST", f"/v1/conversations/{talk}/merge", {"into": other}),
        ]
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda call: desk.send(*call), calls))
        assert not [answer.text for answer in answers if answer.status_code >= 500]
    sql("SELECT pg_stat_clear_snapshot()")
    assert sql(deadlocks) == before
