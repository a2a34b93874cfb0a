"""Many tasks in one request, by the rules that hold for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.client import Client, codes, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db.testing import RoundTrips
    from tests.client import Answer

    Item = dict[str, Any]

TASK = {"kind": "mail", "queue": "work"}
UNLIKE = {"id", "version", "created_at", "updated_at", "run_after"}


def bulk(client: Client, *items: Item) -> Answer:
    return client.post("/v1/tasks/bulk", {"items": [{**TASK, **item} for item in items]})


def made(client: Client, *items: Item) -> list[Item]:
    answer = bulk(client, *items)
    assert answer.status_code == 201, answer.text
    found: list[Item] = answer.json["items"]
    return found


@pytest.fixture
def talk(staff: Client) -> Item:
    """A conversation."""
    customer = staff.create("/v1/customers", {"reference": "C", "name": "Ann"})
    body = {"customer_id": customer["id"], "subject": "A fee", "channel": "web"}
    return staff.create("/v1/conversations", body)


def test_they_are_as_if_made_one_by_one(staff: Client, talk: Item) -> None:
    """With the defaults of the settings, events that tell the same, and whatever each says."""
    one = staff.create("/v1/tasks", {**TASK, "metadata": {"a": 1}})
    first, second, third = made(
        staff,
        {"metadata": {"a": 1}},
        {"conversation_id": talk["id"], "priority": 0, "input": {"b": [None]}, "max_attempts": 7},
        {"run_after": "2100-01-01T00:00:00Z", "dedupe_key": "k"},
    )
    assert all(first[name] == one[name] for name in one.keys() - UNLIKE)
    assert (second["priority"], second["input"], second["max_attempts"]) == (0, {"b": [None]}, 7)
    assert (third["run_after"], third["dedupe_key"]) == ("2100-01-01T00:00:00Z", "k")
    events = {each["object_id"]: each for each in staff.get("/v1/events").json["items"]}
    ours, theirs = (events[task["id"]]["changes"] for task in (one, first))
    assert ours.keys() == theirs.keys()
    assert all(ours[name] == theirs[name] for name in ours.keys() - {"run_after"})


def test_they_are_claimed_in_their_order(staff: Client, hire: Callable[..., Client]) -> None:
    """Among equals, the first of the list comes first."""
    keys = [task["id"] for task in made(staff, *[{}] * 5)]
    claimed = hire().post("/v1/tasks/claim", {"limit": 5}).json["items"]
    assert [task["id"] for task in claimed] == keys


def test_a_live_dedupe_key_is_refused_at_its_index(
    staff: Client, hire: Callable[..., Client]
) -> None:
    """Of a task that is open, or of an item before; one that has ended is in nobody's way."""
    made(staff, {"dedupe_key": "open"})
    (ended,) = made(staff, {"dedupe_key": "ended"})
    staff.post(f"/v1/tasks/{ended['id']}/cancel")
    answer = bulk(
        staff, {"dedupe_key": "new"}, {"dedupe_key": "open"}, {}, {"dedupe_key": "new"}, {}
    )
    assert problem(answer) == (409, "already-exists")
    assert codes(answer) == dict.fromkeys(
        ("/items/1/dedupe_key", "/items/3/dedupe_key"), "already-exists"
    )
    made(staff, {"dedupe_key": "new"}, {"dedupe_key": "ended"})


@pytest.mark.parametrize("field", ["agent_id", "conversation_id", "parent_id"])
def test_what_they_refer_to_must_be_there(staff: Client, field: str) -> None:
    """Each item that refers to nothing is named, and nothing is made."""
    answer = bulk(staff, {}, {field: str(uuid4())}, {field: None}, {field: str(uuid4())})
    assert problem(answer) == (422, "validation-error")
    wrong = [f"/items/1/{field}", f"/items/3/{field}"]
    assert codes(answer) == dict.fromkeys(wrong, "unknown-reference")
    assert staff.get("/v1/tasks").json["items"] == []


def test_all_that_is_not_there_is_told_at_once(staff: Client) -> None:
    """Whatever it would be, in the order of the items."""
    fields = ["parent_id", "conversation_id", "agent_id"]
    answer = bulk(staff, *({field: str(uuid4())} for field in fields))
    wrong = [f"/items/{at}/{field}" for at, field in enumerate(fields)]
    assert [mistake["pointer"] for mistake in answer.json["errors"]] == wrong
    assert set(codes(answer).values()) == {"unknown-reference"}


def test_an_agent_must_be_active(staff: Client, hire: Callable[..., Client]) -> None:
    """As for a single task."""
    works, rests = hire("works"), hire("rests")
    staff.post(f"/v1/agents/{rests.user_id}/deactivate")
    answer = bulk(staff, {"agent_id": works.user_id}, {"agent_id": rests.user_id})
    assert codes(answer) == {"/items/1/agent_id": "inactive"}


def test_a_merged_conversation_takes_none(staff: Client, talk: Item) -> None:
    """The answer says where it goes on, and which items are about it."""
    body = {"customer_id": talk["customer_id"], "subject": "The same", "channel": "web"}
    other = staff.create("/v1/conversations", body)
    staff.post(f"/v1/conversations/{other['id']}/merge", {"into": talk["id"]})
    answer = bulk(staff, {"conversation_id": talk["id"]}, {"conversation_id": other["id"]})
    assert problem(answer) == (409, "conversation-merged")
    assert answer.json["merged_into_id"] == talk["id"]
    assert codes(answer) == {"/items/1/conversation_id": "conversation-merged"}


def test_parents_must_be_open_and_not_too_deep(staff: Client) -> None:
    """Told by index; and a parent counts all that were put below it."""
    (ended,), (above,) = made(staff, {}), made(staff, {})
    staff.post(f"/v1/tasks/{ended['id']}/cancel")
    answer = bulk(staff, {"parent_id": above["id"]}, {"parent_id": ended["id"]})
    assert problem(answer) == (409, "parent-finished")
    assert codes(answer) == {"/items/1/parent_id": "parent-finished"}
    deepest = above
    for _ in range(4):
        (deepest, _) = made(staff, *[{"parent_id": deepest["id"]}] * 2)
    too_deep = bulk(staff, {"parent_id": above["id"]}, {"parent_id": deepest["id"]})
    assert codes(too_deep) == {"/items/1/parent_id": "range"}
    subtasks = staff.get(f"/v1/tasks/{above['id']}/subtasks").json["items"]
    assert len(subtasks) == 2


def test_a_hundred_take_as_many_messages_as_one(
    staff: Client, hire: Callable[..., Client], talk: Item, round_trips: RoundTrips
) -> None:
    """Three for what they refer to, one that reads what was merged, two for depth, one for keys."""
    (parent,), agent = made(staff, {}), hire().user_id
    about = {"agent_id": agent, "conversation_id": talk["id"], "parent_id": parent["id"]}
    counts = []
    for numbers in (range(1), range(1, 101)):
        round_trips.take()
        made(staff, *({**about, "dedupe_key": f"k{n}"} for n in numbers))
        counts.append(len(round_trips.take()))
    assert counts == [9, 9]


def test_a_thousand_below_one_parent(staff: Client) -> None:
    """As many as one request may have."""
    (parent,) = made(staff, {})
    assert len(made(staff, *[{"parent_id": parent["id"]}] * 1000)) == 1000
