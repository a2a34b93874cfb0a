"""What is restored or requeued obeys the rules that hold for what is new."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tests.client import Client, problem
from tests.desk import DeskWork, claim, end

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    Hire = Callable[..., Client]
    Sql = Callable[..., list[tuple[Any, ...]]]

WAYS_TO_GO = ["deactivated", "deleted", "left the queue", "user deactivated"]


def leave(desk_work: DeskWork, agent: str, how: str) -> None:
    """The agent gets no more work of the queue `work`."""
    path = f"/v1/agents/{agent}"
    if how == "deactivated":
        assert desk_work.client.post(f"{path}/deactivate").status_code == 200
    elif how == "deleted":
        desk_work.delete("agents", agent)
    elif how == "left the queue":
        assert desk_work.client.patch(path, {"queues": ["other"]}).status_code == 200
    else:
        user = desk_work.read("agents", agent)["user_id"]
        assert desk_work.client.patch(f"/v1/users/{user}", {"is_active": False}).status_code == 200


def hire_for(hire: Hire, sign_in: Callable[..., Client], how: str) -> Client:
    if how != "user deactivated":
        return hire()
    return hire(kind="human", user_id=sign_in("staff", "pat").user_id)


@pytest.mark.parametrize("how", ["deactivated", "deleted", "user deactivated"])
def test_a_conversation_comes_back_to_nobody_where_its_assignee_is_gone(
    desk_work: DeskWork, hire: Hire, sign_in: Callable[..., Client], how: str
) -> None:
    """The event says that it is unassigned now; the reason of the assignment goes with it."""
    agent = hire_for(hire, sign_in, how)
    key = desk_work.conversation(desk_work.customer())
    desk_work.act("conversations", key, "assign", agent_id=agent.user_id, reason="Knows it.")
    desk_work.delete("conversations", key)
    leave(desk_work, agent.user_id, how)
    restored = desk_work.restore("conversations", key)
    assert restored.status_code == 200, restored.text
    assert (restored.json["assignee_id"], restored.json["assignment_reason"]) == (None, None)
    assert desk_work.read("conversations", key) == restored.json
    event = desk_work.events(key)[-1]
    assert event["action"] == "restored"
    assert event["changes"]["assignee_id"] == {"before": agent.user_id, "after": None}
    assert event["changes"]["assignment_reason"] == {"before": "Knows it.", "after": None}
    assert restored.json["version"] == len(desk_work.events(key))


def test_a_conversation_comes_back_to_who_is_still_there(desk_work: DeskWork, hire: Hire) -> None:
    """Nothing but `deleted_at` changes."""
    agent, about = hire().user_id, desk_work.customer()
    key = desk_work.conversation(about, assignee_id=agent)
    desk_work.delete("conversations", key)
    assert desk_work.restore("conversations", key).json["assignee_id"] == agent
    assert desk_work.events(key)[-1]["changes"].keys() == {"deleted_at"}


def test_a_closed_conversation_keeps_whose_it_was(desk_work: DeskWork, hire: Hire) -> None:
    """That is history: also where the agent is deleted by then."""
    agent = hire().user_id
    key = desk_work.conversation(desk_work.customer(), assignee_id=agent)
    desk_work.act("conversations", key, "close")
    desk_work.delete("conversations", key)
    desk_work.delete("agents", agent)
    assert desk_work.restore("conversations", key).json["assignee_id"] == agent


@pytest.mark.parametrize("how", WAYS_TO_GO)
def test_a_task_comes_back_for_anyone_where_its_agent_gets_no_such_work(
    desk_work: DeskWork, hire: Hire, sign_in: Callable[..., Client], how: str
) -> None:
    """The event says so, and another agent claims it."""
    agent = hire_for(hire, sign_in, how)
    key = desk_work.task(agent_id=agent.user_id)
    desk_work.delete("tasks", key)
    leave(desk_work, agent.user_id, how)
    restored = desk_work.restore("tasks", key)
    assert (restored.status_code, restored.json["agent_id"]) == (200, None)
    changes = desk_work.events(key)[-1]["changes"]
    assert changes["agent_id"] == {"before": agent.user_id, "after": None}
    assert set(claim(hire("another"))) == {key}


@pytest.mark.parametrize("how", WAYS_TO_GO)
@pytest.mark.parametrize("ended", ["failed", "cancelled"])
def test_a_task_is_requeued_for_anyone_where_its_agent_gets_no_such_work(
    desk_work: DeskWork, hire: Hire, sign_in: Callable[..., Client], how: str, ended: str
) -> None:
    """One event says both: it is pending, and for anyone."""
    agent = hire_for(hire, sign_in, how)
    key = desk_work.task(agent_id=agent.user_id)
    if ended == "failed":
        end(agent, claim(agent)[key], "fail", error="x", retry=False)
    else:
        desk_work.act("tasks", key, "cancel")
    leave(desk_work, agent.user_id, how)
    requeued = desk_work.act("tasks", key, "requeue")
    assert (requeued["status"], requeued["agent_id"]) == ("pending", None)
    event = desk_work.events(key)[-1]
    assert event["action"] == "requeued"
    assert event["changes"]["agent_id"] == {"before": agent.user_id, "after": None}
    assert set(claim(hire("another"))) == {key}


def test_a_task_is_requeued_for_the_agent_that_it_was_for(desk_work: DeskWork, hire: Hire) -> None:
    """As long as that one works its queue."""
    agent = hire()
    key = desk_work.task(agent_id=agent.user_id)
    desk_work.act("tasks", key, "cancel")
    assert desk_work.act("tasks", key, "requeue")["agent_id"] == agent.user_id
    assert "agent_id" not in desk_work.events(key)[-1]["changes"]


@pytest.mark.parametrize("ended", ["completed", "failed"])
def test_what_has_ended_keeps_whom_it_was_for(desk_work: DeskWork, hire: Hire, ended: str) -> None:
    """A finished task comes back as it was, also where its agent is deleted by then."""
    agent = hire()
    key = desk_work.task(agent_id=agent.user_id)
    task = claim(agent)[key]
    if ended == "completed":
        end(agent, task, "complete", output=1)
    else:
        end(agent, task, "fail", error="x", retry=False)
    desk_work.delete("tasks", key)
    desk_work.delete("agents", agent.user_id)
    restored = desk_work.restore("tasks", key).json
    assert (restored["agent_id"], restored["claimed_by_id"]) == (agent.user_id, agent.user_id)


@pytest.mark.parametrize("resource", ["tasks", "todos"])
@pytest.mark.parametrize("merges", [1, 2])
def test_what_is_about_a_merged_conversation_does_not_come_back(
    desk_work: DeskWork, resource: str, merges: int
) -> None:
    """409 conversation-merged with the conversation in which it goes on, as for a new one."""
    about = desk_work.customer()
    talks = [desk_work.conversation(about) for _ in range(merges + 1)]
    new = desk_work.task if resource == "tasks" else desk_work.todo
    key = new(conversation_id=talks[0])
    desk_work.delete(resource, key)
    for source, target in pairwise(talks):
        desk_work.act("conversations", source, "merge", into=target)
    refused = desk_work.restore(resource, key)
    assert problem(refused) == (409, "conversation-merged")
    assert refused.json["merged_into_id"] == talks[-1]
    assert problem(desk_work.client.get(f"/v1/{resource}/{key}"))[0] == 404


def test_an_agent_comes_back_inactive_where_its_user_is(desk_work: DeskWork, sign_in: Any) -> None:
    """And active where the user is active; the event says what changed."""
    user = sign_in("staff", "pat").user_id
    body = {"name": "Pat", "kind": "human", "user_id": user}
    key = desk_work.client.create("/v1/agents", body)["id"]
    desk_work.delete("agents", key)
    assert desk_work.restore("agents", key).json["is_active"] is True
    desk_work.delete("agents", key)
    desk_work.client.patch(f"/v1/users/{user}", {"is_active": False})
    assert desk_work.restore("agents", key).json["is_active"] is False
    assert desk_work.events(key)[-1]["changes"]["is_active"] == {"before": True, "after": False}


def test_a_restore_names_the_version_that_it_needs(desk_work: DeskWork, hire: Hire) -> None:
    """If-Match with a stale version is 412 and changes nothing, as before."""
    key = desk_work.task()
    desk_work.delete("tasks", key)
    path = f"/v1/tasks/{key}/restore"
    assert problem(desk_work.client.post(path, if_match='"1"')) == (412, "precondition-failed")
    assert desk_work.client.post(path, if_match='"2"').status_code == 200
    assert problem(desk_work.client.post(path)) == (409, "not-deleted")


def test_two_restores_at_once_are_one(
    desk_work: DeskWork, app: Flask, sql: Sql, deadlocks: list[str]
) -> None:
    """One is done, the other is 409 not-deleted; siblings come back without a deadlock."""
    for _ in range(5):
        parent = desk_work.task()
        keys = [desk_work.task(parent_id=parent) for _ in range(2)]
        for key in keys:
            desk_work.delete("tasks", key)

        def restore(key: str) -> tuple[int, str]:
            answer = Client(app, desk_work.client.token).post(f"/v1/tasks/{key}/restore")
            return (200, "") if answer.status_code == 200 else problem(answer)

        with ThreadPoolExecutor(4) as pool:
            found = sorted(pool.map(restore, [*keys, *keys]))
        assert found == [(200, ""), (200, ""), (409, "not-deleted"), (409, "not-deleted")]
        assert sql("SELECT open_subtasks FROM tasks WHERE id = %s", parent) == [(2,)]
    assert deadlocks == []
