"""Agents: people and programs with tokens, what they may see, and what becomes of their work."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from tests.client import Client, codes, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from tests.client import Answer

    Hire = Callable[..., Client]
    Sql = Callable[..., list[tuple[Any, ...]]]

BOT = {"name": "bot", "kind": "ai"}
WORK = {"kind": "reply", "queue": "work"}
NOWHERE = "01a00000-0000-7000-8000-000000000000"
FORBIDDEN = (403, "forbidden")


def make(client: Client, **values: Any) -> str:
    """The id of a new task."""
    key: str = client.create("/v1/tasks", {**WORK, **values})["id"]
    return key


def claim(agent: Client, **body: Any) -> dict[str, dict[str, Any]]:
    """All that is there to claim, by id."""
    answer = agent.post("/v1/tasks/claim", {"limit": 100, **body})
    assert answer.status_code == 200, answer.text
    return {task["id"]: task for task in answer.json["items"]}


def act(agent: Client, task: dict[str, Any], verb: str, **body: Any) -> Answer:
    sent = {"lease_token": task["lease_token"], **body}
    return agent.post(f"/v1/tasks/{task['id']}/{verb}", sent)


def task_of(client: Client, key: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/v1/tasks/{key}").json
    return found


def events(client: Client, key: str) -> list[dict[str, Any]]:
    """What happened to it, the first first."""
    found = client.get(f"/v1/events?object_id={key}&sort=occurred_at&limit=100")
    items: list[dict[str, Any]] = found.json["items"]
    return items


def customer(client: Client, reference: str = "C-1") -> str:
    key: str = client.create("/v1/customers", {"reference": reference, "name": "Ann"})["id"]
    return key


def conversation(client: Client, customer_id: str, **values: Any) -> str:
    body = {"customer_id": customer_id, "subject": "Help", "channel": "web", **values}
    key: str = client.create("/v1/conversations", body)["id"]
    return key


# As a resource


def test_a_new_agent_has_every_field(staff: Client) -> None:
    """It is active from the start, and works no queue unless it is given one."""
    answer = staff.post("/v1/agents", BOT)
    assert (answer.status_code, answer.headers["ETag"]) == (201, '"1"')
    bookkeeping = {"id", "version", "created_at", "updated_at"}
    assert {name: value for name, value in answer.json.items() if name not in bookkeeping} == {
        **BOT,
        "user_id": None,
        "queues": [],
        "is_active": True,
        "last_seen_at": None,
    }
    assert staff.get(answer.headers["Location"]).json == answer.json


def test_an_agent_is_changed_deleted_and_restored(staff: Client) -> None:
    """As every resource is; a list of queues replaces the old one."""
    path = f"/v1/agents/{staff.create('/v1/agents', {**BOT, 'queues': ['a', 'b']})['id']}"
    answer = staff.patch(path, {"name": "Bob", "kind": "human", "queues": ["b", "c.d-e_f"]})
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
    changed = {"name": "Bob", "kind": "human", "queues": ["b", "c.d-e_f"]}
    assert {name: answer.json[name] for name in changed} == changed
    assert problem(staff.patch(path, {"name": "x"}, if_match='"1"'))[0] == 412
    assert staff.patch(path, {}).json == answer.json
    assert staff.delete(path).status_code == 204
    gone = [staff.get(path), staff.patch(path, {}), staff.delete(path)]
    gone.append(staff.post(f"{path}/deactivate"))
    assert [problem(each) for each in gone] == [(404, "not-found")] * 4
    assert staff.get("/v1/agents").json["items"] == []
    assert staff.post(f"{path}/restore").json["queues"] == ["b", "c.d-e_f"]
    assert problem(staff.post(f"{path}/restore")) == (409, "not-deleted")


WRONG: list[tuple[str, Any, dict[str, str]]] = [
    *[("name", value, {"/name": "length"}) for value in ("", " ", "a" * 201)],
    ("name", 5, {"/name": "type"}),
    *[("kind", value, {"/kind": "choice"}) for value in ("robot", "AI", "")],
    *[(name, None, {f"/{name}": "null"}) for name in ("name", "kind", "queues", "is_active")],
    ("queues", "work", {"/queues": "type"}),
    ("queues", ["Work"], {"/queues/0": "format"}),
    ("queues", ["a", "a/b"], {"/queues/1": "format"}),
    ("queues", [None], {"/queues/0": "null"}),
    ("queues", [1], {"/queues/0": "type"}),
    ("queues", ["a", "a"], {"/queues": "duplicate"}),
    ("queues", [f"q{n}" for n in range(51)], {"/queues": "length"}),
    *[("is_active", value, {"/is_active": "type"}) for value in (1, "yes", 0)],
    ("user_id", "x", {"/user_id": "format"}),
    ("last_seen_at", "2026-01-01T00:00:00Z", {"/last_seen_at": "read-only-field"}),
    ("role", "admin", {"/role": "unknown-field"}),
]


@pytest.mark.parametrize(("field", "value", "mistakes"), WRONG)
def test_a_wrong_value_is_pointed_at(
    staff: Client, field: str, value: Any, mistakes: dict[str, str]
) -> None:
    """POST and PATCH alike refuse it, and nothing is made or changed."""
    created = staff.post("/v1/agents", {**BOT, field: value})
    assert problem(created) == (422, "validation-error")
    assert codes(created) == mistakes
    agent = staff.create("/v1/agents", BOT)
    patched = staff.patch(f"/v1/agents/{agent['id']}", {field: value})
    assert codes(patched) == mistakes
    assert staff.get(f"/v1/agents/{agent['id']}").json == agent


def test_a_name_is_unique(staff: Client) -> None:
    """Among those that are not deleted; and then who has lost it can't come back."""
    path = f"/v1/agents/{staff.create('/v1/agents', BOT)['id']}"
    taken = staff.post("/v1/agents", BOT)
    assert problem(taken) == (409, "already-exists")
    assert codes(taken) == {"/name": "already-exists"}
    staff.delete(path)
    other = staff.create("/v1/agents", BOT)
    assert problem(staff.post(f"{path}/restore")) == (409, "already-exists")
    staff.patch(f"/v1/agents/{other['id']}", {"name": "other"})
    assert staff.post(f"{path}/restore").status_code == 200


def test_a_user_has_one_agent(admin: Client, staff: Client) -> None:
    """409 for a second one, until the first is unlinked; 422 for a user that does not exist."""
    first = admin.create("/v1/agents", {**BOT, "user_id": staff.user_id})
    second = {"name": "second", "kind": "human", "user_id": staff.user_id}
    taken = admin.post("/v1/agents", second)
    assert problem(taken) == (409, "already-exists")
    assert codes(taken) == {"/user_id": "already-exists"}
    other = admin.create("/v1/agents", {**second, "user_id": admin.user_id})
    path = f"/v1/agents/{other['id']}"
    assert problem(admin.patch(path, {"user_id": staff.user_id})) == (409, "already-exists")
    assert codes(admin.patch(path, {"user_id": NOWHERE})) == {"/user_id": "unknown-reference"}
    admin.patch(f"/v1/agents/{first['id']}", {"user_id": None})
    assert admin.patch(path, {"user_id": staff.user_id}).status_code == 200
    assert problem(admin.delete(f"/v1/users/{staff.user_id}")) == (409, "in-use")


def test_agents_are_found(staff: Client) -> None:
    """By name, kind, user and whether they are active."""
    for name, kind, active in (("ann", "human", True), ("bot", "ai", True), ("cat", "ai", False)):
        staff.create("/v1/agents", {"name": name, "kind": kind, "is_active": active})
    for query, found in {
        "kind=ai&sort=name": ["bot", "cat"],
        "is_active=false": ["cat"],
        "q=AN": ["ann"],
        "q=%25": [],
        "name__contains=a&sort=-name": ["cat", "ann"],
        "user_id__is_null=false": [],
        "last_seen_at__is_null=true&sort=name": ["ann", "bot", "cat"],
    }.items():
        items = staff.get(f"/v1/agents?{query}").json["items"]
        assert [agent["name"] for agent in items] == found, query
    for wrong in ("queues=a", "is_active=1", "sort=kind", "kind__gt=a"):
        assert problem(staff.get(f"/v1/agents?{wrong}")) == (400, "invalid-parameter")


# Tokens


@pytest.mark.parametrize("owners", ["none", "both"])
def test_a_token_has_exactly_one_owner(admin: Client, hire: Hire, owners: str) -> None:
    """A user or an agent: 422 for neither and for both."""
    both = {"user_id": admin.user_id, "agent_id": hire().user_id}
    answer = admin.post("/v1/tokens", {"name": "t", **(both if owners == "both" else {})})
    assert problem(answer) == (422, "validation-error")
    assert codes(answer) == {"/user_id": "required"}


def test_an_agent_gets_its_tokens_from_an_admin(app: Flask, admin: Client, staff: Client) -> None:
    """The answer to POST alone has it, and with it the agent is itself."""
    agent = staff.create("/v1/agents", {**BOT, "queues": ["work"]})
    created = admin.create("/v1/tokens", {"agent_id": agent["id"], "name": "t"})
    assert (created["agent_id"], created["user_id"]) == (agent["id"], None)
    client = Client(app, created["token"])
    me = client.get("/v1/me")
    assert (me.status_code, me.json["id"], me.json["name"]) == (200, agent["id"], "bot")
    assert "deleted_at" not in me.json
    assert "token" not in admin.get(f"/v1/tokens/{created['id']}").json
    found = admin.get(f"/v1/tokens?agent_id={agent['id']}").json["items"]
    assert [token["id"] for token in found] == [created["id"]]
    admin.delete(f"/v1/tokens/{created['id']}")
    assert problem(client.get("/v1/me")) == (401, "unauthenticated")
    unknown = admin.post("/v1/tokens", {"agent_id": NOWHERE, "name": "t"})
    assert codes(unknown) == {"/agent_id": "unknown-reference"}


@pytest.mark.parametrize("how", ["deactivate", "patch", "delete"])
def test_who_is_gone_is_let_in_no_more(staff: Client, hire: Hire, how: str) -> None:
    """Nor is a deleted one that was restored: its tokens were revoked."""
    agent = hire()
    path = f"/v1/agents/{agent.user_id}"
    assert agent.get("/v1/me").status_code == 200
    if how == "deactivate":
        assert staff.post(f"{path}/deactivate").json["is_active"] is False
    elif how == "patch":
        staff.patch(path, {"is_active": False})
    else:
        staff.delete(path)
    assert problem(agent.get("/v1/me")) == (401, "unauthenticated")
    if how == "delete":
        staff.post(f"{path}/restore")
        assert problem(agent.get("/v1/me")) == (401, "unauthenticated")
    else:
        staff.patch(path, {"is_active": True})
        assert agent.get("/v1/me").status_code == 200


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
    about = customer(staff)
    talks = conversation(staff, about, assignee_id=old.user_id)
    closed = conversation(staff, about, assignee_id=old.user_id)
    staff.post(f"/v1/conversations/{closed}/close")
    body = {"reassign_to": to} if heir else None
    answer = staff.post(f"/v1/agents/{old.user_id}/deactivate", body)
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
    assert answer.json["is_active"] is False
    for key in (runs, runs_own, waits):
        task = task_of(staff, key)
        assert (task["status"], task["agent_id"], task["claimed_by_id"]) == ("pending", to, None)
        assert task["lease_expires_at"] is None
    found = staff.get(f"/v1/tasks/{runs}/attempts").json["items"]
    assert [(each["outcome"], each["agent_id"]) for each in found] == [("released", old.user_id)]
    assert staff.get(f"/v1/conversations/{talks}").json["assignee_id"] == to
    assert staff.get(f"/v1/conversations/{closed}").json["assignee_id"] == old.user_id
    refused = act(new, held[runs], "complete", output=1)
    assert problem(refused) == (409, "lease-lost")
    assert set(claim(new)) == {runs, runs_own, waits}
    actions = {key: events(staff, key)[-2]["action"] for key in (runs, runs_own, waits)}
    assert actions == {runs: "released", runs_own: "released", waits: "updated"}
    assert events(staff, talks)[-1]["action"] == "assigned"
    assert sql("SELECT attempts_forgiven FROM tasks WHERE id = %s", runs) == [(1,)]


@pytest.mark.parametrize("kinds", [("ai", "human"), ("human", "ai"), ("ai", "ai")])
def test_a_conversation_handed_over_to_the_other_kind_is_handed_off(
    staff: Client, hire: Hire, kinds: tuple[str, str]
) -> None:
    """Its event says so where it goes from a person to a program or back, as with an assignment."""
    old, new = hire("old", kind=kinds[0]), hire("new", kind=kinds[1])
    talk = conversation(staff, customer(staff), assignee_id=old.user_id)
    body = {"reassign_to": new.user_id}
    assert staff.post(f"/v1/agents/{old.user_id}/deactivate", body).status_code == 200
    expected = "assigned" if kinds[0] == kinds[1] else "handed-off"
    assert events(staff, talk)[-1]["action"] == expected


def test_a_deactivation_is_one_unit_of_work(staff: Client, hire: Hire) -> None:
    """All its events have one request; a refused one has changed nothing."""
    old = hire("old")
    key = make(staff)
    claim(old)
    path = f"/v1/agents/{old.user_id}"
    before = task_of(staff, key)
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
    assert task_of(staff, key) == before
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
    assert task_of(staff, key)["status"] == "pending"
    assert staff.post(f"{path}/deactivate").headers["ETag"] == '"2"'
    assert staff.patch(path, {"is_active": False}).headers["ETag"] == '"2"'


def test_what_was_to_be_cancelled_is_when_its_agent_goes(staff: Client, hire: Hire) -> None:
    """It does not wait for another agent; its attempt and its event say so."""
    agent, key = hire(), make(staff)
    claim(agent)
    staff.post(f"/v1/tasks/{key}/cancel")
    staff.post(f"/v1/agents/{agent.user_id}/deactivate")
    assert task_of(staff, key)["status"] == "cancelled"
    (attempt,) = staff.get(f"/v1/tasks/{key}/attempts").json["items"]
    assert attempt["outcome"] == "cancelled"
    assert events(staff, key)[-1]["action"] == "cancelled"


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
    talks = conversation(staff, customer(staff), assignee_id=agent.user_id)
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
    assert task_of(staff, key)["claimed_by_id"] == agent.user_id
    (attempt,) = staff.get(f"/v1/tasks/{key}/attempts").json["items"]
    assert attempt["agent_id"] == agent.user_id
    actor = events(staff, key)[-1]["actor"]
    assert actor == {"type": "agent", "id": agent.user_id, "name": "Robbie"}


# What an agent's token may see


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
    assert agent.get(f"/v1/tasks/{runs}").json == task_of(staff, runs)
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
    about = customer(staff)
    talks = conversation(staff, about, message={"body": "Hello"})
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
    there = customer(staff)
    talks = conversation(staff, there, message={"body": "Hello"})
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
    talks = conversation(staff, customer(staff))
    path = f"/v1/conversations/{talks}/messages"
    body = {"direction": "outbound", "body": "Hi"}
    assert problem(agent.post(path, body)) == FORBIDDEN
    make(staff, conversation_id=talks)
    claim(agent)
    message = agent.create(path, body)
    assert message["author"] == {"type": "agent", "id": agent.user_id, "name": "bot"}
    assert agent.create(path, {"direction": "note", "body": "Hm"})["seq"] == 2
    assert problem(agent.post(path, {"direction": "inbound", "body": "x"})) == FORBIDDEN


# Sub-tasks of agents


def test_an_agent_breaks_up_what_it_runs(staff: Client, hire: Hire) -> None:
    """It makes sub-tasks of a task that it runs, for any queue; and of no other task."""
    agent, other = hire("bot"), hire("other", queues=["elsewhere"])
    mine = make(staff)
    held = claim(agent)[mine]
    child = make(agent, parent_id=mine, queue="elsewhere")
    assert events(staff, child)[0]["actor"]["id"] == agent.user_id
    assert problem(act(agent, held, "complete", output=1)) == (409, "open-subtasks")
    pending, waits = make(staff), make(staff, agent_id=agent.user_id)
    foreign = next(iter(claim(other)))
    for parent in (None, pending, waits, foreign, NOWHERE):
        answer = agent.post("/v1/tasks", {**WORK, "parent_id": parent})
        assert problem(answer) == FORBIDDEN
    assert problem(agent.post("/v1/tasks", WORK)) == FORBIDDEN
    act(other, claim_again(staff, other, child), "complete", output=1)
    act(agent, held, "complete", output=1)
    assert problem(agent.post("/v1/tasks", {**WORK, "parent_id": mine})) == FORBIDDEN


def claim_again(staff: Client, agent: Client, key: str) -> dict[str, Any]:
    """Take a task from its agent and claim it anew, for a token that is known."""
    staff.patch(f"/v1/agents/{agent.user_id}", {"is_active": False})
    staff.patch(f"/v1/agents/{agent.user_id}", {"is_active": True})
    return claim(agent)[key]


def test_an_agents_dedupe_key_is_unique_below_its_task(staff: Client, hire: Hire) -> None:
    """A repeat is answered with the agent's own sub-task. A key that other tasks have is free, and
    every key is shown as it was sent."""
    agent, other = hire(), hire("other", queues=["work"])
    mine = make(staff)
    claim(agent)
    theirs = make(staff)
    claim(other)
    make(staff, dedupe_key="secret", input={"pin": 1234}, queue="elsewhere")
    make(staff, dedupe_key="sibling", parent_id=mine, queue="elsewhere")
    make(other, parent_id=theirs, dedupe_key="own")
    for key in ("secret", "sibling", "own", "free", "d" * 255):
        body = {**WORK, "parent_id": mine, "dedupe_key": key}
        created = agent.post("/v1/tasks", body)
        again = agent.post("/v1/tasks", {**body, "input": {"other": 1}})
        assert (created.status_code, again.status_code) == (201, 200)
        assert again.json == created.json
        assert {name: created.json[name] for name in ("parent_id", "dedupe_key", "input")} == {
            "parent_id": mine,
            "dedupe_key": key,
            "input": {},
        }
        (event,) = events(staff, created.json["id"])
        assert event["changes"]["dedupe_key"]["after"] == key
        assert "dedupe_scope" not in event["changes"]
    long = agent.post("/v1/tasks", {**WORK, "parent_id": mine, "dedupe_key": "d" * 256})
    assert codes(long) == {"/dedupe_key": "length"}


def test_users_get_no_sub_task_of_an_agent_by_its_dedupe_key(staff: Client, hire: Hire) -> None:
    """The keys of users, below whichever task, are apart from those of agents; in bulk too."""
    agent, mine = hire(), make(staff)
    claim(agent)
    body = {**WORK, "parent_id": mine, "dedupe_key": "k"}
    first = make(agent, **body)
    assert problem(staff.post("/v1/tasks/bulk", {"items": [body, body]})) == (
        409,
        "already-exists",
    )
    bulk = staff.post("/v1/tasks/bulk", {"items": [body]})
    assert bulk.status_code == 201
    (second,) = bulk.json["items"]
    assert first != second["id"]
    for sent in (body, {**WORK, "dedupe_key": "k"}):
        again = staff.post("/v1/tasks", sent)
        assert (again.status_code, again.json["id"]) == (200, second["id"])
    listed = staff.get("/v1/tasks?dedupe_key=k").json["items"]
    assert {task["id"] for task in listed} == {first, second["id"]}


def test_repeated_sub_tasks_at_once_are_one_per_parent(
    app: Flask, staff: Client, hire: Hire
) -> None:
    """Two agents send one key from many threads: each gets one new task, and then that one."""
    agents = {hire("one", queues=["one"]): make(staff, queue="one")}
    agents[hire("two", queues=["two"])] = make(staff, queue="two")
    for agent in agents:
        claim(agent)
    start = threading.Barrier(4)

    def create(agent: Client) -> tuple[str, int, str]:
        start.wait(60)
        body = {**WORK, "parent_id": agents[agent], "dedupe_key": "once"}
        answer = Client(app, agent.token).post("/v1/tasks", body)
        return agents[agent], answer.status_code, answer.json["id"]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(create, [*agents] * 10))
    for parent in agents.values():
        found = [(status, key) for of, status, key in answers if of == parent]
        assert sorted(status for status, _ in found) == [200] * 9 + [201]
        assert len({key for _, key in found}) == 1
    assert len({key for _, _, key in answers}) == 2


@pytest.mark.parametrize("comes_back_by", ["requeue", "restore"])
def test_a_sub_task_does_not_come_back_where_its_key_is_taken(
    staff: Client, hire: Hire, comes_back_by: str
) -> None:
    """409 while the agent has made another with that key; a user's task takes no key from it."""
    agent, mine = hire(), make(staff)
    claim(agent)
    body = {"parent_id": mine, "dedupe_key": "k"}
    first = f"/v1/tasks/{make(agent, **body)}"
    assert staff.post(f"{first}/cancel").status_code == 200
    if comes_back_by == "restore":
        assert staff.post(f"{first}/requeue").status_code == 200
        staff.delete(first)
    make(staff, **body)
    second = f"/v1/tasks/{make(agent, **body)}"
    refused = staff.post(f"{first}/{comes_back_by}")
    assert problem(refused) == (409, "already-exists")
    assert codes(refused) == {"/dedupe_key": "already-exists"}
    staff.post(f"{second}/cancel")
    back = staff.post(f"{first}/{comes_back_by}")
    assert (back.status_code, back.json["dedupe_key"]) == (200, "k")


def test_a_sub_task_that_is_moved_takes_its_dedupe_key_along(staff: Client, hire: Hire) -> None:
    """The key is free below the old parent, and taken where the task is now."""
    agent, other = hire(), hire("other", queues=["work"])
    mine = make(staff)
    claim(agent)
    theirs = make(staff)
    claim(other)
    keys = {key: make(agent, parent_id=mine, dedupe_key=key) for key in ("down", "up")}
    moved = staff.patch(f"/v1/tasks/{keys['down']}", {"parent_id": theirs})
    assert (moved.status_code, moved.json["dedupe_key"]) == (200, "down")
    staff.patch(f"/v1/tasks/{keys['up']}", {"parent_id": None})
    again = other.post("/v1/tasks", {**WORK, "parent_id": theirs, "dedupe_key": "down"})
    assert (again.status_code, again.json["id"]) == (200, keys["down"])
    again = staff.post("/v1/tasks", {**WORK, "dedupe_key": "up"})
    assert (again.status_code, again.json["id"]) == (200, keys["up"])
    for key, task in keys.items():
        assert make(agent, parent_id=mine, dedupe_key=key) != task
    back = staff.patch(f"/v1/tasks/{keys['down']}", {"parent_id": mine})
    assert problem(back) == (409, "already-exists")


def test_an_agents_sub_task_is_within_its_limits(staff: Client, hire: Hire) -> None:
    """No more urgent than the parent, with as many attempts as the firm says, in any queue."""
    agent = hire()
    mine = make(staff, priority=7)
    claim(agent)
    body = {**WORK, "parent_id": mine, "queue": "payments"}
    child = agent.create("/v1/tasks", body)
    assert [child[name] for name in ("queue", "priority", "max_attempts")] == ["payments", 7, 3]
    assert agent.create("/v1/tasks", {**body, "priority": 9})["priority"] == 9
    greedy = {**body, "priority": 0, "max_attempts": 100}
    answer = agent.post("/v1/tasks", greedy)
    assert problem(answer) == (422, "validation-error")
    assert codes(answer) == {"/priority": "range", "/max_attempts": "range"}
    assert agent.post("/v1/tasks", {**body, "priority": 6}).status_code == 422
    assert staff.post("/v1/tasks", greedy).status_code == 201


def test_a_sub_task_of_an_urgent_task_is_of_medium_urgency(staff: Client, hire: Hire) -> None:
    """Unless the agent says otherwise, up to the parent's priority."""
    agent, mine = hire(), make(staff, priority=1)
    claim(agent)
    body = {**WORK, "parent_id": mine}
    assert agent.create("/v1/tasks", body)["priority"] == 5
    assert agent.create("/v1/tasks", {**body, "priority": 1})["priority"] == 1


def test_an_agent_can_not_let_itself_into_a_conversation(staff: Client, hire: Hire) -> None:
    """A sub-task is about what its maker may see: else it could name itself for any."""
    agent = hire()
    about = customer(staff)
    own, foreign = conversation(staff, about), conversation(staff, about)
    mine = make(staff, conversation_id=own)
    claim(agent)
    body = {**WORK, "parent_id": mine}
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
