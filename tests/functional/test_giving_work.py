"""Work goes to active agents that work its queue; an agent that goes leaves nothing behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.client import Client, codes, problem
from tests.desk import TASK, DeskWork, claim, end, is_active

if TYPE_CHECKING:
    from collections.abc import Callable

    Hire = Callable[..., Client]


# A task for one agent


def test_a_task_is_addressed_to_an_agent_that_works_its_queue(
    desk_work: DeskWork, hire: Hire
) -> None:
    """422 for any other: alone, within a new conversation, and in bulk; nothing is made."""
    agent = hire().user_id
    wrong = {**TASK, "queue": "elsewhere", "agent_id": agent}
    single = desk_work.client.post("/v1/tasks", wrong)
    assert problem(single) == (422, "validation-error")
    assert codes(single) == {"/agent_id": "wrong-queue"}
    assert "elsewhere" in single.json["errors"][0]["detail"]
    right = {**TASK, "agent_id": agent}
    bulk = desk_work.client.post("/v1/tasks/bulk", {"items": [right, wrong, TASK, wrong]})
    assert codes(bulk) == {f"/items/{n}/agent_id": "wrong-queue" for n in (1, 3)}
    body = {"customer_id": desk_work.customer(), "subject": "x", "channel": "web", "task": wrong}
    assert codes(desk_work.client.post("/v1/conversations", body)) == {
        "/task/agent_id": "wrong-queue"
    }
    assert desk_work.client.get("/v1/tasks").json["items"] == []
    assert desk_work.client.get("/v1/conversations").json["items"] == []


def test_a_task_does_not_leave_the_queues_of_its_agent(desk_work: DeskWork, hire: Hire) -> None:
    """A PATCH of the agent, of the queue, or of both: the field that is given is pointed at."""
    one, two = hire("one", ["a"]).user_id, hire("two", ["b"]).user_id
    key = desk_work.task(queue="a", agent_id=one)
    path = f"/v1/tasks/{key}"
    before = desk_work.read("tasks", key)
    for patch, pointer in (
        ({"agent_id": two}, "/agent_id"),
        ({"queue": "b"}, "/queue"),
        ({"agent_id": one, "queue": "b"}, "/agent_id"),
    ):
        refused = desk_work.client.patch(path, patch)
        assert problem(refused) == (422, "validation-error")
        assert codes(refused) == {pointer: "wrong-queue"}
    assert desk_work.read("tasks", key) == before
    both = desk_work.client.patch(path, {"agent_id": two, "queue": "b"})
    assert (both.status_code, both.json["agent_id"], both.json["queue"]) == (200, two, "b")
    anyone = desk_work.client.patch(path, {"agent_id": None, "queue": "c"})
    assert (anyone.status_code, anyone.json["queue"]) == (200, "c")


def test_what_an_agent_stops_working_goes_to_anyone(desk_work: DeskWork, hire: Hire) -> None:
    """Tasks addressed to it in a queue that it leaves, the running ones too; each has its event."""
    agent, other = hire("bot", ["a", "b"]), hire("other", ["a", "b"])
    runs, waits = desk_work.task(queue="a", agent_id=agent.user_id), None
    held = claim(agent)[runs]
    waits = desk_work.task(queue="a", agent_id=agent.user_id)
    stays = desk_work.task(queue="b", agent_id=agent.user_id)
    path = f"/v1/agents/{agent.user_id}"
    assert desk_work.client.patch(path, {"queues": ["b", "c"]}).status_code == 200
    assert desk_work.read("tasks", runs)["status"] == "running"
    for key in (runs, waits):
        assert desk_work.read("tasks", key)["agent_id"] is None
        event = desk_work.events(key)[-1]
        assert event["action"] == "updated"
        assert event["changes"] == {"agent_id": {"before": agent.user_id, "after": None}}
    assert desk_work.read("tasks", stays)["agent_id"] == agent.user_id
    end(agent, held, "release")
    assert set(claim(other)) == {runs, waits}


def test_a_person_who_becomes_a_program_gives_its_tasks_back(
    desk_work: DeskWork, hire: Hire
) -> None:
    """A person's lease never runs out: a program that crashed would keep such a task for ever."""
    person, other = hire("Ann", kind="human"), hire("other")
    key = desk_work.task()
    held = claim(person)[key]
    path = f"/v1/agents/{person.user_id}"
    assert desk_work.client.patch(path, {"kind": "human", "name": "Anna"}).status_code == 200
    assert desk_work.read("tasks", key)["status"] == "running"
    assert desk_work.client.patch(path, {"kind": "ai"}).status_code == 200
    assert desk_work.read("tasks", key)["status"] == "pending"
    assert desk_work.events(key)[-1]["action"] == "released"
    late = person.post(f"/v1/tasks/{key}/release", {"lease_token": held["lease_token"]})
    assert problem(late) == (409, "lease-lost")
    assert claim(other)[key]["lease_expires_at"] is not None


def test_an_heir_works_the_queues_of_what_it_inherits(desk_work: DeskWork, hire: Hire) -> None:
    """422 that names the queues it lacks, of running and of addressed tasks; nothing changes."""
    old, heir = hire("old", ["a", "b", "c", "d"]), hire("heir", ["a"])
    done = desk_work.task(queue="d")
    end(old, claim(old)[done], "complete", output=1)
    runs = desk_work.task(queue="c")
    claim(old)
    waits = [desk_work.task(queue=queue, agent_id=old.user_id) for queue in ("b", "a")]
    desk_work.task(queue="d", agent_id=None)
    talks = desk_work.conversation(desk_work.customer(), assignee_id=old.user_id)
    kept = [desk_work.read("tasks", key) for key in (runs, *waits)] + [
        desk_work.read("conversations", talks)
    ]
    path, body = f"/v1/agents/{old.user_id}/deactivate", {"reassign_to": heir.user_id}
    refused = desk_work.client.post(path, body)
    assert problem(refused) == (422, "validation-error")
    mistakes = refused.json["errors"]
    assert {(m["pointer"], m["code"]) for m in mistakes} == {("/reassign_to", "wrong-queue")}
    assert [m["detail"] for m in mistakes] == [
        f"The agent does not work the queue {queue}." for queue in ("b", "c")
    ]
    now = [desk_work.read("tasks", key) for key in (runs, *waits)] + [
        desk_work.read("conversations", talks)
    ]
    assert now == kept
    assert is_active(desk_work, old.user_id)
    desk_work.client.patch(f"/v1/agents/{heir.user_id}", {"queues": ["a", "b", "c"]})
    assert desk_work.client.post(path, body).status_code == 200
    assert set(claim(heir)) == {runs, *waits}


def test_a_conversation_that_is_inherited_by_a_program_is_handed_off(
    desk_work: DeskWork, hire: Hire
) -> None:
    """From a person to a program the event is handed-off; between programs it is assigned."""
    person, bot, heir = hire("Ann", kind="human"), hire("bot"), hire("heir")
    about = desk_work.customer()
    talks = {
        agent: desk_work.conversation(about, assignee_id=agent.user_id) for agent in (person, bot)
    }
    for agent, action in ((person, "handed-off"), (bot, "assigned")):
        desk_work.act("agents", agent.user_id, "deactivate", reassign_to=heir.user_id)
        event = desk_work.events(talks[agent])[-1]
        assert (event["action"], event["changes"]) == (
            action,
            {"assignee_id": {"before": agent.user_id, "after": heir.user_id}},
        )


# Deleting an agent


def test_an_agent_named_by_history_alone_is_deleted(desk_work: DeskWork, hire: Hire) -> None:
    """Closed conversations, finished tasks and deleted rows are not in the way, nor change."""
    agent, about = hire(), desk_work.customer()
    closed = desk_work.conversation(about, assignee_id=agent.user_id)
    desk_work.act("conversations", closed, "close")
    deleted = desk_work.conversation(about, assignee_id=agent.user_id)
    desk_work.delete("conversations", deleted)
    done, failed, cancelled = (desk_work.task(agent_id=agent.user_id) for _ in range(3))
    desk_work.act("tasks", cancelled, "cancel")
    held = claim(agent)
    end(agent, held[done], "complete", output=1)
    end(agent, held[failed], "fail", error="x", retry=False)
    desk_work.delete("tasks", desk_work.task(agent_id=agent.user_id))
    assert desk_work.client.delete(f"/v1/agents/{agent.user_id}").status_code == 204
    assert desk_work.read("conversations", closed)["assignee_id"] == agent.user_id
    assert {desk_work.read("tasks", key)["agent_id"] for key in (done, failed, cancelled)} == {
        agent.user_id
    }
    found = desk_work.client.get(f"/v1/conversations/{closed}?expand=assignee")
    assert found.status_code == 200


@pytest.mark.parametrize("status", ["open", "pending", "snoozed", "resolved"])
def test_an_agent_with_an_unfinished_conversation_is_in_use(
    desk_work: DeskWork, hire: Hire, status: str
) -> None:
    """A resolved one too, which a customer may open again."""
    agent = hire().user_id
    key = desk_work.conversation(desk_work.customer(), assignee_id=agent)
    if status == "pending":
        path = f"/v1/conversations/{key}/messages"
        desk_work.client.create(path, {"direction": "outbound", "body": "x"})
    elif status == "snoozed":
        desk_work.act("conversations", key, "snooze", until="2100-01-01T00:00:00Z")
    elif status == "resolved":
        desk_work.act("conversations", key, "resolve")
    assert desk_work.read("conversations", key)["status"] == status
    refused = desk_work.client.delete(f"/v1/agents/{agent}")
    assert problem(refused) == (409, "in-use")
    assert [mistake["detail"] for mistake in refused.json["errors"]] == ["conversations"]
