"""Work goes to active agents that work its queue; an agent that goes leaves nothing behind."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.client import Client, codes, problem
from tests.desk import TASK, DeskWork, claim, end

if TYPE_CHECKING:
    from collections.abc import Callable

    Hire = Callable[..., Client]
    SignIn = Callable[..., Client]
    Sql = Callable[..., list[tuple[Any, ...]]]

UNAUTHENTICATED = (401, "unauthenticated")


@pytest.fixture
def desk(admin: Client) -> DeskWork:
    return DeskWork(admin)


@pytest.fixture
def pat(sign_in: SignIn) -> Client:
    """A member of staff."""
    return sign_in("staff", "pat")


@pytest.fixture
def agent_of_pat(hire: Hire, pat: Client) -> Client:
    """A client with the token of the agent that is linked to Pat."""
    return hire("Pat", kind="human", user_id=pat.user_id)


def is_active(desk: DeskWork, agent: str) -> bool:
    return bool(desk.read("agents", agent)["is_active"])


# A task for one agent


def test_a_task_is_addressed_to_an_agent_that_works_its_queue(desk: DeskWork, hire: Hire) -> None:
    """422 for any other: alone, within a new conversation, and in bulk; nothing is made."""
    agent = hire().user_id
    wrong = {**TASK, "queue": "elsewhere", "agent_id": agent}
    single = desk.client.post("/v1/tasks", wrong)
    assert problem(single) == (422, "validation-error")
    assert codes(single) == {"/agent_id": "wrong-queue"}
    assert "elsewhere" in single.json["errors"][0]["detail"]
    right = {**TASK, "agent_id": agent}
    bulk = desk.client.post("/v1/tasks/bulk", {"items": [right, wrong, TASK, wrong]})
    assert codes(bulk) == {f"/items/{n}/agent_id": "wrong-queue" for n in (1, 3)}
    body = {"customer_id": desk.customer(), "subject": "x", "channel": "web", "task": wrong}
    assert codes(desk.client.post("/v1/conversations", body)) == {"/task/agent_id": "wrong-queue"}
    assert desk.client.get("/v1/tasks").json["items"] == []
    assert desk.client.get("/v1/conversations").json["items"] == []


def test_a_task_does_not_leave_the_queues_of_its_agent(desk: DeskWork, hire: Hire) -> None:
    """A PATCH of the agent, of the queue, or of both: the field that is given is pointed at."""
    one, two = hire("one", ["a"]).user_id, hire("two", ["b"]).user_id
    key = desk.task(queue="a", agent_id=one)
    path = f"/v1/tasks/{key}"
    before = desk.read("tasks", key)
    for patch, pointer in (
        ({"agent_id": two}, "/agent_id"),
        ({"queue": "b"}, "/queue"),
        ({"agent_id": one, "queue": "b"}, "/agent_id"),
    ):
        refused = desk.client.patch(path, patch)
        assert problem(refused) == (422, "validation-error")
        assert codes(refused) == {pointer: "wrong-queue"}
    assert desk.read("tasks", key) == before
    both = desk.client.patch(path, {"agent_id": two, "queue": "b"})
    assert (both.status_code, both.json["agent_id"], both.json["queue"]) == (200, two, "b")
    anyone = desk.client.patch(path, {"agent_id": None, "queue": "c"})
    assert (anyone.status_code, anyone.json["queue"]) == (200, "c")


def test_what_an_agent_stops_working_goes_to_anyone(desk: DeskWork, hire: Hire) -> None:
    """Tasks addressed to it in a queue that it leaves, the running ones too; each has its event."""
    agent, other = hire("bot", ["a", "b"]), hire("other", ["a", "b"])
    runs, waits = desk.task(queue="a", agent_id=agent.user_id), None
    held = claim(agent)[runs]
    waits = desk.task(queue="a", agent_id=agent.user_id)
    stays = desk.task(queue="b", agent_id=agent.user_id)
    path = f"/v1/agents/{agent.user_id}"
    assert desk.client.patch(path, {"queues": ["b", "c"]}).status_code == 200
    assert desk.read("tasks", runs)["status"] == "running"
    for key in (runs, waits):
        assert desk.read("tasks", key)["agent_id"] is None
        event = desk.events(key)[-1]
        assert event["action"] == "updated"
        assert event["changes"] == {"agent_id": {"before": agent.user_id, "after": None}}
    assert desk.read("tasks", stays)["agent_id"] == agent.user_id
    end(agent, held, "release")
    assert set(claim(other)) == {runs, waits}


def test_a_person_who_becomes_a_program_gives_its_tasks_back(desk: DeskWork, hire: Hire) -> None:
    """A person's lease never runs out: a program that crashed would keep such a task for ever."""
    person, other = hire("Ann", kind="human"), hire("other")
    key = desk.task()
    held = claim(person)[key]
    path = f"/v1/agents/{person.user_id}"
    assert desk.client.patch(path, {"kind": "human", "name": "Anna"}).status_code == 200
    assert desk.read("tasks", key)["status"] == "running"
    assert desk.client.patch(path, {"kind": "ai"}).status_code == 200
    assert desk.read("tasks", key)["status"] == "pending"
    assert desk.events(key)[-1]["action"] == "released"
    late = person.post(f"/v1/tasks/{key}/release", {"lease_token": held["lease_token"]})
    assert problem(late) == (409, "lease-lost")
    assert claim(other)[key]["lease_expires_at"] is not None


def test_an_heir_works_the_queues_of_what_it_inherits(desk: DeskWork, hire: Hire) -> None:
    """422 that names the queues it lacks, of running and of addressed tasks; nothing changes."""
    old, heir = hire("old", ["a", "b", "c", "d"]), hire("heir", ["a"])
    done = desk.task(queue="d")
    end(old, claim(old)[done], "complete", output=1)
    runs = desk.task(queue="c")
    claim(old)
    waits = [desk.task(queue=queue, agent_id=old.user_id) for queue in ("b", "a")]
    desk.task(queue="d", agent_id=None)
    talks = desk.conversation(desk.customer(), assignee_id=old.user_id)
    kept = [desk.read("tasks", key) for key in (runs, *waits)] + [desk.read("conversations", talks)]
    path, body = f"/v1/agents/{old.user_id}/deactivate", {"reassign_to": heir.user_id}
    refused = desk.client.post(path, body)
    assert problem(refused) == (422, "validation-error")
    mistakes = refused.json["errors"]
    assert {(m["pointer"], m["code"]) for m in mistakes} == {("/reassign_to", "wrong-queue")}
    assert [m["detail"] for m in mistakes] == [
        f"The agent does not work the queue {queue}." for queue in ("b", "c")
    ]
    now = [desk.read("tasks", key) for key in (runs, *waits)] + [desk.read("conversations", talks)]
    assert now == kept
    assert is_active(desk, old.user_id)
    desk.client.patch(f"/v1/agents/{heir.user_id}", {"queues": ["a", "b", "c"]})
    assert desk.client.post(path, body).status_code == 200
    assert set(claim(heir)) == {runs, *waits}


def test_a_conversation_that_is_inherited_by_a_program_is_handed_off(
    desk: DeskWork, hire: Hire
) -> None:
    """From a person to a program the event is handed-off; between programs it is assigned."""
    person, bot, heir = hire("Ann", kind="human"), hire("bot"), hire("heir")
    about = desk.customer()
    talks = {agent: desk.conversation(about, assignee_id=agent.user_id) for agent in (person, bot)}
    for agent, action in ((person, "handed-off"), (bot, "assigned")):
        desk.act("agents", agent.user_id, "deactivate", reassign_to=heir.user_id)
        event = desk.events(talks[agent])[-1]
        assert (event["action"], event["changes"]) == (
            action,
            {"assignee_id": {"before": agent.user_id, "after": heir.user_id}},
        )


# The agent of a user


@pytest.mark.parametrize("how", ["patch", "many"])
def test_with_a_user_the_agent_is_deactivated(
    desk: DeskWork, hire: Hire, pat: Client, agent_of_pat: Client, how: str
) -> None:
    """It lets go of all that it holds, in the same unit of work, and each change has its event."""
    agent = agent_of_pat.user_id
    runs, waits = desk.task(), desk.task(agent_id=agent, run_after="2100-01-01T00:00:00Z")
    claim(pat)
    talks = desk.conversation(desk.customer(), assignee_id=agent)
    if how == "patch":
        path = f"/v1/users/{pat.user_id}"
        answer = desk.client.patch(path, {"is_active": False}, x_request_id="gone")
    else:
        body = {"ids": [desk.client.create("/v1/users", NEW_USER)["id"], pat.user_id]}
        answer = desk.client.post("/v1/users/deactivate", body, x_request_id="gone")
    assert answer.status_code == 200, answer.text
    assert not is_active(desk, agent)
    task = desk.read("tasks", runs)
    assert (task["status"], task["claimed_by_id"]) == ("pending", None)
    assert desk.read("tasks", waits)["agent_id"] is None
    assert desk.read("conversations", talks)["assignee_id"] is None
    found = desk.client.get("/v1/events?request_id=gone").json["items"]
    happened = {(event["object_id"], event["action"]) for event in found}
    assert happened >= {
        (pat.user_id, "updated"),
        (agent, "updated"),
        (talks, "assigned"),
        (runs, "released"),
        (waits, "updated"),
    }
    assert set(claim(hire("another"))) == {runs}
    assert problem(agent_of_pat.get("/v1/me")) == UNAUTHENTICATED


NEW_USER = {"email": "new@desk.example", "name": "New", "role": "viewer"}


def test_many_users_and_their_agents_go_at_once(
    desk: DeskWork, hire: Hire, sign_in: SignIn
) -> None:
    """Each agent's work is given back, none of another's; an unknown id among them undoes all."""
    users = [sign_in("staff", f"user-{n}") for n in range(5)]
    agents = [hire(f"a-{n}", user_id=user.user_id) for n, user in enumerate(users)]
    stays = hire("stays")
    about = desk.customer()
    tasks, talks = [], []
    for agent in (*agents, stays):
        tasks.append(desk.task())
        claim(agent)
        talks.append(desk.conversation(about, assignee_id=agent.user_id))
    ids = [user.user_id for user in users]
    refused = desk.client.post("/v1/users/deactivate", {"ids": [*ids, talks[0]]})
    assert codes(refused) == {"/ids/5": "unknown-reference"}
    assert [desk.read("tasks", key)["status"] for key in tasks] == ["running"] * 6
    assert desk.client.post("/v1/users/deactivate", {"ids": ids}).json == {"deactivated": 5}
    assert [desk.read("tasks", key)["status"] for key in tasks] == ["pending"] * 5 + ["running"]
    assignees = [desk.read("conversations", key)["assignee_id"] for key in talks]
    assert assignees == [None] * 5 + [stays.user_id]
    assert [is_active(desk, agent.user_id) for agent in agents] == [False] * 5


def test_nothing_is_given_to_the_agent_of_an_inactive_user(
    desk: DeskWork, hire: Hire, pat: Client, agent_of_pat: Client, sql: Sql
) -> None:
    """422 `inactive` at every door; also where the user was deactivated past the service."""
    agent, about = agent_of_pat.user_id, desk.customer()
    talks, task = desk.conversation(about), desk.task()
    sql("UPDATE users SET is_active = false WHERE id = %s", pat.user_id)
    assert is_active(desk, agent)
    old = hire("old").user_id
    new = {"customer_id": about, "subject": "x", "channel": "web"}
    everything = {"filter": {"status": "open"}, "agent_id": agent, "expected_count": 1}
    answers = {
        "/agent_id": [
            desk.client.post(f"/v1/conversations/{talks}/assign", {"agent_id": agent}),
            desk.client.post("/v1/conversations/bulk-assign", everything),
            desk.client.post("/v1/tasks", {**TASK, "agent_id": agent}),
            desk.client.patch(f"/v1/tasks/{task}", {"agent_id": agent}),
        ],
        "/assignee_id": [
            desk.client.post("/v1/conversations", {**new, "assignee_id": agent}),
            desk.client.patch(f"/v1/conversations/{talks}", {"assignee_id": agent}),
        ],
        "/reassign_to": [
            desk.client.post(f"/v1/agents/{old}/deactivate", {"reassign_to": agent}),
        ],
        "/items/0/agent_id": [
            desk.client.post("/v1/tasks/bulk", {"items": [{**TASK, "agent_id": agent}]}),
        ],
        "/task/agent_id": [
            desk.client.post("/v1/conversations", {**new, "task": {**TASK, "agent_id": agent}}),
        ],
    }
    for pointer, found in answers.items():
        for answer in found:
            assert problem(answer) == (422, "validation-error")
            assert codes(answer) == {pointer: "inactive"}
    assert desk.read("conversations", talks)["assignee_id"] is None


def test_who_was_deactivated_past_the_service_is_deactivated_again(
    desk: DeskWork, pat: Client, agent_of_pat: Client, sql: Sql
) -> None:
    """POST /v1/users/deactivate takes the agents of users who were inactive already."""
    key = desk.task()
    claim(pat)
    sql("UPDATE users SET is_active = false WHERE id = %s", pat.user_id)
    answer = desk.client.post("/v1/users/deactivate", {"ids": [pat.user_id]})
    assert answer.json == {"deactivated": 0}
    assert not is_active(desk, agent_of_pat.user_id)
    assert desk.read("tasks", key)["status"] == "pending"


def test_an_active_user_does_not_bring_the_agent_back(
    desk: DeskWork, pat: Client, agent_of_pat: Client
) -> None:
    """That takes an update of the agent, which is refused while the user is inactive."""
    agent, user = f"/v1/agents/{agent_of_pat.user_id}", f"/v1/users/{pat.user_id}"
    desk.client.patch(user, {"is_active": False})
    refused = desk.client.patch(agent, {"is_active": True})
    assert problem(refused) == (422, "validation-error")
    assert codes(refused) == {"/is_active": "inactive"}
    desk.client.patch(user, {"is_active": True})
    assert not is_active(desk, agent_of_pat.user_id)
    assert desk.client.patch(agent, {"is_active": True}).status_code == 200
    assert agent_of_pat.get("/v1/me").status_code == 200


def test_an_active_agent_is_linked_to_active_users_only(
    desk: DeskWork, hire: Hire, pat: Client
) -> None:
    """422 at `user_id`, for a new agent and for one that is there; an inactive agent may be."""
    agent = f"/v1/agents/{hire().user_id}"
    desk.client.patch(f"/v1/users/{pat.user_id}", {"is_active": False})
    body = {"name": "Pat", "kind": "human", "user_id": pat.user_id}
    answers = [desk.client.post("/v1/agents", body)]
    answers.append(desk.client.patch(agent, {"user_id": pat.user_id}))
    for answer in answers:
        assert codes(answer) == {"/user_id": "inactive"}
    both = {"user_id": pat.user_id, "is_active": False}
    assert desk.client.patch(agent, both).status_code == 200


def test_only_admins_link_an_agent_to_a_user(
    desk: DeskWork, staff: Client, pat: Client, agent_of_pat: Client
) -> None:
    """Staff make, change and delete agents, but 403 to `user_id`, which tells nothing of users."""
    path = f"/v1/agents/{agent_of_pat.user_id}"
    body = {"name": "new", "kind": "ai"}
    before = desk.read("agents", agent_of_pat.user_id)
    for user in (staff.user_id, pat.user_id, "01a00000-0000-7000-8000-000000000000"):
        assert problem(staff.post("/v1/agents", {**body, "user_id": user})) == (403, "forbidden")
        assert problem(staff.patch(path, {"user_id": user})) == (403, "forbidden")
    assert problem(staff.patch(path, {"user_id": None})) == (403, "forbidden")
    assert desk.read("agents", agent_of_pat.user_id) == before
    assert staff.create("/v1/agents", {**body, "user_id": None})["user_id"] is None
    assert staff.patch(path, {"queues": ["work", "more"]}).status_code == 200
    assert desk.client.patch(path, {"user_id": None}).json["user_id"] is None


def test_a_token_stays_dead_whatever_happens_to_the_link(
    desk: DeskWork, staff: Client, pat: Client, agent_of_pat: Client
) -> None:
    """An unlinked agent is inactive, as its user was, until somebody activates it."""
    path = f"/v1/agents/{agent_of_pat.user_id}"
    assert agent_of_pat.get("/v1/me").status_code == 200
    desk.client.patch(f"/v1/users/{pat.user_id}", {"is_active": False})
    assert problem(agent_of_pat.get("/v1/me")) == UNAUTHENTICATED
    assert problem(staff.patch(path, {"user_id": None})) == (403, "forbidden")
    assert desk.client.patch(path, {"user_id": None}).status_code == 200
    assert problem(agent_of_pat.get("/v1/me")) == UNAUTHENTICATED
    assert staff.patch(path, {"is_active": True}).status_code == 200
    assert agent_of_pat.get("/v1/me").status_code == 200


@pytest.mark.parametrize("to", ["nobody", "another user"])
def test_a_token_stays_dead_where_only_the_user_was_deactivated(
    desk: DeskWork, pat: Client, agent_of_pat: Client, sql: Sql, to: str
) -> None:
    """Of an agent that is still active, unlinking takes the activity, and its work, too."""
    key = desk.task()
    claim(pat)
    sql("UPDATE users SET is_active = false WHERE id = %s", pat.user_id)
    user = None if to == "nobody" else desk.client.user_id
    answer = desk.client.patch(f"/v1/agents/{agent_of_pat.user_id}", {"user_id": user})
    assert (answer.status_code, answer.json["is_active"]) == (200, False)
    assert desk.read("tasks", key)["status"] == "pending"
    assert problem(agent_of_pat.get("/v1/me")) == UNAUTHENTICATED


def test_a_user_with_an_agent_is_not_deleted(
    desk: DeskWork, pat: Client, agent_of_pat: Client
) -> None:
    """409 in-use, as long as the agent is linked; so no agent works for a user who is gone."""
    path = f"/v1/users/{pat.user_id}"
    assert problem(desk.client.delete(path)) == (409, "in-use")
    desk.delete("agents", agent_of_pat.user_id)
    assert desk.client.delete(path).status_code == 204
    assert problem(desk.restore("agents", agent_of_pat.user_id)) == (409, "parent-deleted")


def test_deactivating_a_user_races_what_is_given_to_the_agent(
    desk: DeskWork, hire: Hire, sign_in: SignIn, sql: Sql, deadlocks: list[str]
) -> None:
    """Whoever comes first: nothing stays with the agent, and nobody waits in a circle."""
    about = desk.customer()
    for number in range(6):
        user = sign_in("staff", f"user-{number}")
        agent = hire(f"agent-{number}", kind="human", user_id=user.user_id).user_id
        talks, gone = desk.conversation(about), desk.task(agent_id=agent)
        desk.delete("tasks", gone)
        moved, task = desk.task(), f"/v1/agents/{agent}"
        calls: list[tuple[Client, str, str, Any]] = [
            (user, "POST", "/v1/tasks/claim", {"limit": 5}),
            (desk.client, "POST", f"/v1/conversations/{talks}/assign", {"agent_id": agent}),
            (desk.client, "POST", f"/v1/tasks/{gone}/restore", None),
            (desk.client, "POST", "/v1/tasks", {**TASK, "agent_id": agent}),
            (desk.client, "PATCH", f"/v1/tasks/{moved}", {"agent_id": agent}),
            (desk.client, "PATCH", task, {"is_active": True}),
        ]
        goes: tuple[Client, str, str, Any] = (
            desk.client,
            *("POST", "/v1/users/deactivate", {"ids": [user.user_id]}),
        )
        start = threading.Barrier(len(calls) + 1)

        def send(call: tuple[Client, str, str, Any], start: Any = start) -> int:
            start.wait(60)
            return call[0].send(*call[1:]).status_code

        with ThreadPoolExecutor(len(calls) + 1) as pool:
            assert max(pool.map(send, [goes, *calls])) < 500
        assert sql("SELECT is_active FROM agents WHERE id = %s", agent) == [(False,)]
        assert sql("SELECT id FROM tasks WHERE %s IN (agent_id, claimed_by_id)", agent) == []
        assert sql("SELECT id FROM conversations WHERE assignee_id = %s", agent) == []
    assert deadlocks == []


# Deleting an agent


def test_an_agent_named_by_history_alone_is_deleted(desk: DeskWork, hire: Hire) -> None:
    """Closed conversations, finished tasks and deleted rows are not in the way, nor change."""
    agent, about = hire(), desk.customer()
    closed = desk.conversation(about, assignee_id=agent.user_id)
    desk.act("conversations", closed, "close")
    deleted = desk.conversation(about, assignee_id=agent.user_id)
    desk.delete("conversations", deleted)
    done, failed, cancelled = (desk.task(agent_id=agent.user_id) for _ in range(3))
    desk.act("tasks", cancelled, "cancel")
    held = claim(agent)
    end(agent, held[done], "complete", output=1)
    end(agent, held[failed], "fail", error="x", retry=False)
    desk.delete("tasks", desk.task(agent_id=agent.user_id))
    assert desk.client.delete(f"/v1/agents/{agent.user_id}").status_code == 204
    assert desk.read("conversations", closed)["assignee_id"] == agent.user_id
    assert {desk.read("tasks", key)["agent_id"] for key in (done, failed, cancelled)} == {
        agent.user_id
    }
    found = desk.client.get(f"/v1/conversations/{closed}?expand=assignee")
    assert found.status_code == 200


@pytest.mark.parametrize("status", ["open", "pending", "snoozed", "resolved"])
def test_an_agent_with_an_unfinished_conversation_is_in_use(
    desk: DeskWork, hire: Hire, status: str
) -> None:
    """A resolved one too, which a customer may open again."""
    agent = hire().user_id
    key = desk.conversation(desk.customer(), assignee_id=agent)
    if status == "pending":
        path = f"/v1/conversations/{key}/messages"
        desk.client.create(path, {"direction": "outbound", "body": "x"})
    elif status == "snoozed":
        desk.act("conversations", key, "snooze", until="2100-01-01T00:00:00Z")
    elif status == "resolved":
        desk.act("conversations", key, "resolve")
    assert desk.read("conversations", key)["status"] == status
    refused = desk.client.delete(f"/v1/agents/{agent}")
    assert problem(refused) == (409, "in-use")
    assert [mistake["detail"] for mistake in refused.json["errors"]] == ["conversations"]
