"""What the token of an agent reads and writes: only what its open tasks refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from tests.client import Client, problem
from tests.desk import TASK, claim, create_conversation, create_customer, read_task
from tests.task_queue import act, make

if TYPE_CHECKING:
    from collections.abc import Callable

    Hire = Callable[..., Client]


NOWHERE = "01a00000-0000-7000-8000-000000000000"
FORBIDDEN = (403, "forbidden")


def test_an_agent_reads_its_own_tasks(staff: Client, hire: Hire) -> None:
    """Those it runs or ran last, and those that wait for it alone: with attempts and sub-tasks."""
    agent, other = hire("bot"), hire("other")
    ran, runs = make(staff), make(staff)
    held = claim(agent)
    act(agent, held[ran], "complete", output=1)
    waits = make(staff, agent_id=agent.user_id)
    queued, others = make(staff), make(staff, agent_id=other.user_id)
    for key in (ran, runs, waits):
        for path in (f"/v1/tasks/{key}", f"/v1/tasks/{key}/attempts", f"/v1/tasks/{key}/subtasks"):
            assert agent.get(path).status_code == 200
            assert problem(other.get(path)) == FORBIDDEN
    assert agent.get(f"/v1/tasks/{runs}").json == read_task(staff, runs)
    for hidden in (queued, others, NOWHERE, agent.user_id):
        for part in ("", "/attempts", "/subtasks"):
            assert problem(agent.get(f"/v1/tasks/{hidden}{part}")) == FORBIDDEN
    assert problem(agent.get("/v1/tasks")) == FORBIDDEN
    assert problem(agent.get(f"/v1/tasks/{runs}?include_deleted=true")) == FORBIDDEN


def test_an_agent_reads_what_is_directly_above_and_below(staff: Client, hire: Hire) -> None:
    """The parent and the sub-tasks of its tasks, and neither siblings nor what is further away."""
    agent, other = hire("bot"), hire("other", queues=["elsewhere"])
    far = {"queue": "elsewhere"}
    top = make(staff, **far)
    parent = make(staff, parent_id=top, **far)
    mine, sibling = make(staff, parent_id=parent), make(staff, parent_id=parent, **far)
    child = make(staff, parent_id=mine, **far)
    grandchild = make(staff, parent_id=child, **far)
    held = claim(agent)[mine]
    claim(other)
    seen = {key: agent.get(f"/v1/tasks/{key}").status_code for key in (parent, mine, child)}
    assert set(seen.values()) == {200}
    for key in (top, sibling, grandchild):
        assert problem(agent.get(f"/v1/tasks/{key}")) == FORBIDDEN
    listed = agent.get(f"/v1/tasks/{mine}/subtasks").json["items"]
    assert [task["id"] for task in listed] == [child]
    for key in (parent, child):
        assert problem(agent.get(f"/v1/tasks/{key}/subtasks")) == FORBIDDEN
    act(agent, held, "release")
    assert problem(agent.get(f"/v1/tasks/{child}")) == FORBIDDEN


def test_what_is_below_a_finished_task_can_still_be_read(staff: Client, hire: Hire) -> None:
    """By who ran it last; the list and each one alike."""
    agent = hire()
    mine = make(staff)
    held = claim(agent)[mine]
    child = make(staff, parent_id=mine, queue="elsewhere")
    staff.post(f"/v1/tasks/{child}/cancel")
    act(agent, held, "complete", output=1)
    assert agent.get(f"/v1/tasks/{child}").status_code == 200
    listed = agent.get(f"/v1/tasks/{mine}/subtasks").json["items"]
    assert [task["id"] for task in listed] == [child]


@pytest.mark.parametrize("how", ["runs", "waits"])
def test_an_agent_reads_what_its_open_tasks_refer_to(staff: Client, hire: Hire, how: str) -> None:
    """The conversation, its messages and its customer, until the task has ended."""
    agent, other = hire("bot"), hire("other")
    about = create_customer(staff)
    talks = create_conversation(staff, about, message={"body": "Hello"})
    message = staff.get(f"/v1/conversations/{talks}/messages").json["items"][0]["id"]
    paths = [
        f"/v1/conversations/{talks}",
        f"/v1/conversations/{talks}/messages",
        f"/v1/messages/{message}",
        f"/v1/customers/{about}",
    ]
    assert {problem(agent.get(path)) for path in paths} == {FORBIDDEN}
    addressed = agent.user_id if how == "waits" else None
    key = make(staff, conversation_id=talks, agent_id=addressed)
    if how == "runs":
        assert {problem(agent.get(path)) for path in paths} == {FORBIDDEN}
        held = claim(agent)[key]
    assert [agent.get(path).status_code for path in paths] == [200] * 4
    assert {problem(other.get(path)) for path in paths} == {FORBIDDEN}
    if how == "waits":
        held = claim(agent)[key]
    act(agent, held, "complete", output=1)
    assert agent.get(f"/v1/tasks/{key}").status_code == 200
    assert {problem(agent.get(path)) for path in paths} == {FORBIDDEN}


def test_an_agent_is_not_told_what_there_is(staff: Client, hire: Hire) -> None:
    """What is not its own is 403, whether it is somebody's or nobody's."""
    agent = hire()
    there = create_customer(staff)
    talks = create_conversation(staff, there, message={"body": "Hello"})
    message = staff.get(f"/v1/conversations/{talks}/messages").json["items"][0]["id"]
    for path, key in (
        ("/v1/customers/{}", there),
        ("/v1/conversations/{}", talks),
        ("/v1/conversations/{}/messages", talks),
        ("/v1/messages/{}", message),
        ("/v1/tasks/{}", make(staff)),
    ):
        present, absent = agent.get(path.format(key)), agent.get(path.format(NOWHERE))
        assert problem(present) == problem(absent) == FORBIDDEN
        assert present.json["detail"] == absent.json["detail"]
        posted = [agent.post(path.format(each), {"body": "x"}) for each in (talks, NOWHERE)]
        assert posted[0].status_code == posted[1].status_code


def test_an_agent_writes_where_it_works(staff: Client, hire: Hire) -> None:
    """Outbound messages and notes, under its own name, and nothing in a customer's name."""
    agent = hire()
    talks = create_conversation(staff, create_customer(staff))
    path = f"/v1/conversations/{talks}/messages"
    body = {"direction": "outbound", "body": "Hi"}
    assert problem(agent.post(path, body)) == FORBIDDEN
    make(staff, conversation_id=talks)
    claim(agent)
    message = agent.create(path, body)
    assert message["author"] == {"type": "agent", "id": agent.user_id, "name": "bot"}
    assert agent.create(path, {"direction": "note", "body": "Hm"})["seq"] == 2
    assert problem(agent.post(path, {"direction": "inbound", "body": "x"})) == FORBIDDEN


def test_an_agent_can_not_let_itself_into_a_conversation(staff: Client, hire: Hire) -> None:
    """A sub-task is about what its maker may see: else it could name itself for any."""
    agent = hire()
    about = create_customer(staff)
    own, foreign = create_conversation(staff, about), create_conversation(staff, about)
    mine = make(staff, conversation_id=own)
    claim(agent)
    body = {**TASK, "parent_id": mine}
    for key in (foreign, NOWHERE):
        answer = agent.post("/v1/tasks", {**body, "conversation_id": key})
        assert problem(answer) == FORBIDDEN
    assert problem(agent.get(f"/v1/conversations/{foreign}")) == FORBIDDEN
    assert agent.create("/v1/tasks", {**body, "conversation_id": own})["conversation_id"] == own
    kept = {**body, "agent_id": agent.user_id, "run_after": "2100-01-01T00:00:00Z"}
    assert problem(agent.post("/v1/tasks", kept)) == FORBIDDEN  # it would see it until then


def test_agents_change_nothing_else(staff: Client, hire: Hire) -> None:
    """Not even their own tasks, but by what their lease allows."""
    agent = hire()
    key = make(staff)
    claim(agent)
    path = f"/v1/tasks/{key}"
    refused = [agent.patch(path, {"priority": 1}), agent.delete(path)]
    refused += [agent.post(f"{path}/{verb}") for verb in ("cancel", "requeue", "restore")]
    refused += [agent.get(f"/v1/agents/{agent.user_id}"), agent.get("/v1/events")]
    assert {problem(answer) for answer in refused} == {FORBIDDEN}
    assert UUID(agent.get("/v1/me").json["id"]) == UUID(agent.user_id)
