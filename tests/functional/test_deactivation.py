"""Agents that are deactivated or deleted: what becomes of their work and of their history."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.client import Client, codes, problem
from tests.desk import claim, create_conversation, create_customer, events_of, read_task
from tests.task_queue import act, make

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    Hire = Callable[..., Client]
    Sql = Callable[..., list[tuple[Any, ...]]]


NOWHERE = "01a00000-0000-7000-8000-000000000000"


# Deactivation


@pytest.mark.parametrize("heir", [True, False])
def test_who_is_deactivated_lets_go_of_everything(
    staff: Client, hire: Hire, sql: Sql, heir: bool
) -> None:
    """What it runs, what waits for it alone and its conversations go to the heir, or to any."""
    old, new = hire("old"), hire("new")
    to = new.user_id if heir else None
    runs, runs_own = make(staff), make(staff, agent_id=old.user_id)
    held = claim(old)
    waits = make(staff, agent_id=old.user_id)
    done = make(staff)
    (finished,) = claim(new).values()
    assert finished["id"] == done
    act(new, finished, "complete", output=1)
    about = create_customer(staff)
    talks = create_conversation(staff, about, assignee_id=old.user_id)
    closed = create_conversation(staff, about, assignee_id=old.user_id)
    staff.post(f"/v1/conversations/{closed}/close")
    body = {"reassign_to": to} if heir else None
    answer = staff.post(f"/v1/agents/{old.user_id}/deactivate", body)
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
    assert answer.json["is_active"] is False
    for key in (runs, runs_own, waits):
        task = read_task(staff, key)
        assert (task["status"], task["agent_id"], task["claimed_by_id"]) == ("pending", to, None)
        assert task["lease_expires_at"] is None
    found = staff.get(f"/v1/tasks/{runs}/attempts").json["items"]
    assert [(each["outcome"], each["agent_id"]) for each in found] == [("released", old.user_id)]
    assert staff.get(f"/v1/conversations/{talks}").json["assignee_id"] == to
    assert staff.get(f"/v1/conversations/{closed}").json["assignee_id"] == old.user_id
    refused = act(new, held[runs], "complete", output=1)
    assert problem(refused) == (409, "lease-lost")
    assert set(claim(new)) == {runs, runs_own, waits}
    actions = {key: events_of(staff, key)[-2]["action"] for key in (runs, runs_own, waits)}
    assert actions == {runs: "released", runs_own: "released", waits: "updated"}
    assert events_of(staff, talks)[-1]["action"] == "assigned"
    assert sql("SELECT attempts_forgiven FROM tasks WHERE id = %s", runs) == [(1,)]


@pytest.mark.parametrize("kinds", [("ai", "human"), ("human", "ai"), ("ai", "ai")])
def test_a_conversation_handed_over_to_the_other_kind_is_handed_off(
    staff: Client, hire: Hire, kinds: tuple[str, str]
) -> None:
    """Its event says so where it goes from a person to a program or back, as with an assignment."""
    old, new = hire("old", kind=kinds[0]), hire("new", kind=kinds[1])
    talk = create_conversation(staff, create_customer(staff), assignee_id=old.user_id)
    body = {"reassign_to": new.user_id}
    assert staff.post(f"/v1/agents/{old.user_id}/deactivate", body).status_code == 200
    expected = "assigned" if kinds[0] == kinds[1] else "handed-off"
    assert events_of(staff, talk)[-1]["action"] == expected


def test_a_deactivation_is_one_unit_of_work(staff: Client, hire: Hire) -> None:
    """All its events have one request; a refused one has changed nothing."""
    old = hire("old")
    key = make(staff)
    claim(old)
    path = f"/v1/agents/{old.user_id}"
    before = read_task(staff, key)
    idle = hire("idle", is_active=False)
    for heir, code in (
        (NOWHERE, "unknown-reference"),
        (idle.user_id, "inactive"),
        (old.user_id, "inactive"),
        ("x", "format"),
        (5, "type"),
    ):
        answer = staff.post(f"{path}/deactivate", {"reassign_to": heir})
        assert problem(answer) == (422, "validation-error")
        assert codes(answer) == {"/reassign_to": code}
    assert problem(staff.post(f"{path}/deactivate", {"x": 1}))[0] == 422
    assert problem(staff.post(f"{path}/deactivate", if_match='"9"'))[0] == 412
    assert problem(staff.post(f"/v1/agents/{uuid4()}/deactivate"))[0] == 404
    assert read_task(staff, key) == before
    assert staff.post(f"{path}/deactivate", x_request_id="gone-1").status_code == 200
    found = staff.get("/v1/events?request_id=gone-1").json["items"]
    assert {(event["object_type"], event["action"]) for event in found} == {
        ("agents", "updated"),
        ("tasks", "released"),
    }


def test_a_patch_deactivates_as_well(staff: Client, hire: Hire) -> None:
    """is_active false in a PATCH lets go of everything too; twice is once."""
    agent, key = hire(), make(staff)
    claim(agent)
    path = f"/v1/agents/{agent.user_id}"
    assert staff.patch(path, {"is_active": False}).status_code == 200
    assert read_task(staff, key)["status"] == "pending"
    assert staff.post(f"{path}/deactivate").headers["ETag"] == '"2"'
    assert staff.patch(path, {"is_active": False}).headers["ETag"] == '"2"'


def test_what_was_to_be_cancelled_is_when_its_agent_goes(staff: Client, hire: Hire) -> None:
    """It does not wait for another agent; its attempt and its event say so."""
    agent, key = hire(), make(staff)
    claim(agent)
    staff.post(f"/v1/tasks/{key}/cancel")
    staff.post(f"/v1/agents/{agent.user_id}/deactivate")
    assert read_task(staff, key)["status"] == "cancelled"
    (attempt,) = staff.get(f"/v1/tasks/{key}/attempts").json["items"]
    assert attempt["outcome"] == "cancelled"
    assert events_of(staff, key)[-1]["action"] == "cancelled"


def test_a_claim_races_a_deactivation(app: Flask, staff: Client, hire: Hire, sql: Sql) -> None:
    """Once it is committed nothing runs under the agent, whoever came first."""
    for number in range(6):
        agent = hire(f"bot-{number}")
        for _ in range(6):
            make(staff)
        start = threading.Barrier(4)

        def work(agent: Client = agent, start: Any = start) -> None:
            client = Client(app, agent.token)
            start.wait(60)
            for _ in range(6):
                answer = client.post("/v1/tasks/claim", {"limit": 2})
                assert answer.status_code in (200, 401, 403), answer.text

        def retire(agent: Client = agent, start: Any = start) -> int:
            client = Client(app, staff.token)
            start.wait(60)
            return client.post(f"/v1/agents/{agent.user_id}/deactivate").status_code

        with ThreadPoolExecutor(4) as pool:
            workers = [pool.submit(work) for _ in range(3)]
            assert pool.submit(retire).result() == 200
            running = "SELECT id FROM tasks WHERE status = 'running'"
            assert sql(running) == []
            for worker in workers:
                worker.result()
        assert sql(running) == []
        assert sql("SELECT id FROM task_attempts WHERE outcome IS NULL") == []


# Deletion


def test_who_runs_a_task_is_not_deleted(staff: Client, hire: Hire) -> None:
    """409 in-use, as where tasks wait for it alone or it has conversations; then 204."""
    agent = hire()
    path = f"/v1/agents/{agent.user_id}"
    make(staff)
    (held,) = claim(agent).values()
    refused = staff.delete(path)
    assert problem(refused) == (409, "in-use")
    assert [mistake["detail"] for mistake in refused.json["errors"]] == ["tasks"]
    act(agent, held, "complete", output=1)
    waits = make(staff, agent_id=agent.user_id)
    assert problem(staff.delete(path)) == (409, "in-use")
    staff.delete(f"/v1/tasks/{waits}")
    talks = create_conversation(staff, create_customer(staff), assignee_id=agent.user_id)
    assert problem(staff.delete(path)) == (409, "in-use")
    staff.post(f"/v1/conversations/{talks}/assign", {"agent_id": None})
    assert problem(staff.delete(path, if_match='"9"'))[0] == 412
    assert staff.delete(path).status_code == 204


def test_history_keeps_who_did_it(staff: Client, hire: Hire) -> None:
    """Tasks, attempts and events name an agent that is long gone, as it was called then."""
    agent = hire("Robbie")
    key = make(staff)
    act(agent, claim(agent)[key], "complete", output=1)
    staff.patch(f"/v1/agents/{agent.user_id}", {"name": "Renamed"})
    assert staff.delete(f"/v1/agents/{agent.user_id}").status_code == 204
    assert read_task(staff, key)["claimed_by_id"] == agent.user_id
    (attempt,) = staff.get(f"/v1/tasks/{key}/attempts").json["items"]
    assert attempt["agent_id"] == agent.user_id
    actor = events_of(staff, key)[-1]["actor"]
    assert actor == {"type": "agent", "id": agent.user_id, "name": "Robbie"}
