"""The agent of a user: deactivated with the user, and given nothing after that."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.client import Client, codes, problem
from tests.desk import TASK, DeskWork, claim, is_active

if TYPE_CHECKING:
    from collections.abc import Callable

    Hire = Callable[..., Client]
    SignIn = Callable[..., Client]
    Sql = Callable[..., list[tuple[Any, ...]]]


UNAUTHENTICATED = (401, "unauthenticated")


@pytest.mark.parametrize("how", ["patch", "many"])
def test_with_a_user_the_agent_is_deactivated(
    desk_work: DeskWork, hire: Hire, pat: Client, agent_of_pat: Client, how: str
) -> None:
    """It lets go of all that it holds, in the same unit of work, and each change has its event."""
    agent = agent_of_pat.user_id
    runs, waits = desk_work.task(), desk_work.task(agent_id=agent, run_after="2100-01-01T00:00:00Z")
    claim(pat)
    talks = desk_work.conversation(desk_work.customer(), assignee_id=agent)
    if how == "patch":
        path = f"/v1/users/{pat.user_id}"
        answer = desk_work.client.patch(path, {"is_active": False}, x_request_id="gone")
    else:
        body = {"ids": [desk_work.client.create("/v1/users", NEW_USER)["id"], pat.user_id]}
        answer = desk_work.client.post("/v1/users/deactivate", body, x_request_id="gone")
    assert answer.status_code == 200, answer.text
    assert not is_active(desk_work, agent)
    task = desk_work.read("tasks", runs)
    assert (task["status"], task["claimed_by_id"]) == ("pending", None)
    assert desk_work.read("tasks", waits)["agent_id"] is None
    assert desk_work.read("conversations", talks)["assignee_id"] is None
    found = desk_work.client.get("/v1/events?request_id=gone").json["items"]
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
    desk_work: DeskWork, hire: Hire, sign_in: SignIn
) -> None:
    """Each agent's work is given back, none of another's; an unknown id among them undoes all."""
    users = [sign_in("staff", f"user-{n}") for n in range(5)]
    agents = [hire(f"a-{n}", user_id=user.user_id) for n, user in enumerate(users)]
    stays = hire("stays")
    about = desk_work.customer()
    tasks, talks = [], []
    for agent in (*agents, stays):
        tasks.append(desk_work.task())
        claim(agent)
        talks.append(desk_work.conversation(about, assignee_id=agent.user_id))
    ids = [user.user_id for user in users]
    refused = desk_work.client.post("/v1/users/deactivate", {"ids": [*ids, talks[0]]})
    assert codes(refused) == {"/ids/5": "unknown-reference"}
    assert [desk_work.read("tasks", key)["status"] for key in tasks] == ["running"] * 6
    assert desk_work.client.post("/v1/users/deactivate", {"ids": ids}).json == {"deactivated": 5}
    assert [desk_work.read("tasks", key)["status"] for key in tasks] == ["pending"] * 5 + [
        "running"
    ]
    assignees = [desk_work.read("conversations", key)["assignee_id"] for key in talks]
    assert assignees == [None] * 5 + [stays.user_id]
    assert [is_active(desk_work, agent.user_id) for agent in agents] == [False] * 5


def test_nothing_is_given_to_the_agent_of_an_inactive_user(
    desk_work: DeskWork, hire: Hire, pat: Client, agent_of_pat: Client, sql: Sql
) -> None:
    """422 `inactive` at every door; also where the user was deactivated past the service."""
    agent, about = agent_of_pat.user_id, desk_work.customer()
    talks, task = desk_work.conversation(about), desk_work.task()
    sql("UPDATE users SET is_active = false WHERE id = %s", pat.user_id)
    assert is_active(desk_work, agent)
    old = hire("old").user_id
    new = {"customer_id": about, "subject": "x", "channel": "web"}
    everything = {"filter": {"status": "open"}, "agent_id": agent, "expected_count": 1}
    answers = {
        "/agent_id": [
            desk_work.client.post(f"/v1/conversations/{talks}/assign", {"agent_id": agent}),
            desk_work.client.post("/v1/conversations/bulk-assign", everything),
            desk_work.client.post("/v1/tasks", {**TASK, "agent_id": agent}),
            desk_work.client.patch(f"/v1/tasks/{task}", {"agent_id": agent}),
        ],
        "/assignee_id": [
            desk_work.client.post("/v1/conversations", {**new, "assignee_id": agent}),
            desk_work.client.patch(f"/v1/conversations/{talks}", {"assignee_id": agent}),
        ],
        "/reassign_to": [
            desk_work.client.post(f"/v1/agents/{old}/deactivate", {"reassign_to": agent}),
        ],
        "/items/0/agent_id": [
            desk_work.client.post("/v1/tasks/bulk", {"items": [{**TASK, "agent_id": agent}]}),
        ],
        "/task/agent_id": [
            desk_work.client.post(
                "/v1/conversations", {**new, "task": {**TASK, "agent_id": agent}}
            ),
        ],
    }
    for pointer, found in answers.items():
        for answer in found:
            assert problem(answer) == (422, "validation-error")
            assert codes(answer) == {pointer: "inactive"}
    assert desk_work.read("conversations", talks)["assignee_id"] is None


def test_who_was_deactivated_past_the_service_is_deactivated_again(
    desk_work: DeskWork, pat: Client, agent_of_pat: Client, sql: Sql
) -> None:
    """POST /v1/users/deactivate takes the agents of users who were inactive already."""
    key = desk_work.task()
    claim(pat)
    sql("UPDATE users SET is_active = false WHERE id = %s", pat.user_id)
    answer = desk_work.client.post("/v1/users/deactivate", {"ids": [pat.user_id]})
    assert answer.json == {"deactivated": 0}
    assert not is_active(desk_work, agent_of_pat.user_id)
    assert desk_work.read("tasks", key)["status"] == "pending"


def test_an_active_user_does_not_bring_the_agent_back(
    desk_work: DeskWork, pat: Client, agent_of_pat: Client
) -> None:
    """That takes an update of the agent, which is refused while the user is inactive."""
    agent, user = f"/v1/agents/{agent_of_pat.user_id}", f"/v1/users/{pat.user_id}"
    desk_work.client.patch(user, {"is_active": False})
    refused = desk_work.client.patch(agent, {"is_active": True})
    assert problem(refused) == (422, "validation-error")
    assert codes(refused) == {"/is_active": "inactive"}
    desk_work.client.patch(user, {"is_active": True})
    assert not is_active(desk_work, agent_of_pat.user_id)
    assert desk_work.client.patch(agent, {"is_active": True}).status_code == 200
    assert agent_of_pat.get("/v1/me").status_code == 200


def test_an_active_agent_is_linked_to_active_users_only(
    desk_work: DeskWork, hire: Hire, pat: Client
) -> None:
    """422 at `user_id`, for a new agent and for one that is there; an inactive agent may be."""
    agent = f"/v1/agents/{hire().user_id}"
    desk_work.client.patch(f"/v1/users/{pat.user_id}", {"is_active": False})
    body = {"name": "Pat", "kind": "human", "user_id": pat.user_id}
    answers = [desk_work.client.post("/v1/agents", body)]
    answers.append(desk_work.client.patch(agent, {"user_id": pat.user_id}))
    for answer in answers:
        assert codes(answer) == {"/user_id": "inactive"}
    both = {"user_id": pat.user_id, "is_active": False}
    assert desk_work.client.patch(agent, both).status_code == 200


def test_only_admins_link_an_agent_to_a_user(
    desk_work: DeskWork, staff: Client, pat: Client, agent_of_pat: Client
) -> None:
    """Staff make, change and delete agents, but 403 to `user_id`, which tells nothing of users."""
    path = f"/v1/agents/{agent_of_pat.user_id}"
    body = {"name": "new", "kind": "ai"}
    before = desk_work.read("agents", agent_of_pat.user_id)
    for user in (staff.user_id, pat.user_id, "01a00000-0000-7000-8000-000000000000"):
        assert problem(staff.post("/v1/agents", {**body, "user_id": user})) == (403, "forbidden")
        assert problem(staff.patch(path, {"user_id": user})) == (403, "forbidden")
    assert problem(staff.patch(path, {"user_id": None})) == (403, "forbidden")
    assert desk_work.read("agents", agent_of_pat.user_id) == before
    assert staff.create("/v1/agents", {**body, "user_id": None})["user_id"] is None
    assert staff.patch(path, {"queues": ["work", "more"]}).status_code == 200
    assert desk_work.client.patch(path, {"user_id": None}).json["user_id"] is None


def test_a_token_stays_dead_whatever_happens_to_the_link(
    desk_work: DeskWork, staff: Client, pat: Client, agent_of_pat: Client
) -> None:
    """An unlinked agent is inactive, as its user was, until somebody activates it."""
    path = f"/v1/agents/{agent_of_pat.user_id}"
    assert agent_of_pat.get("/v1/me").status_code == 200
    desk_work.client.patch(f"/v1/users/{pat.user_id}", {"is_active": False})
    assert problem(agent_of_pat.get("/v1/me")) == UNAUTHENTICATED
    assert problem(staff.patch(path, {"user_id": None})) == (403, "forbidden")
    assert desk_work.client.patch(path, {"user_id": None}).status_code == 200
    assert problem(agent_of_pat.get("/v1/me")) == UNAUTHENTICATED
    assert staff.patch(path, {"is_active": True}).status_code == 200
    assert agent_of_pat.get("/v1/me").status_code == 200


@pytest.mark.parametrize("to", ["nobody", "another user"])
def test_a_token_stays_dead_where_only_the_user_was_deactivated(
    desk_work: DeskWork, pat: Client, agent_of_pat: Client, sql: Sql, to: str
) -> None:
    """Of an agent that is still active, unlinking takes the activity, and its work, too."""
    key = desk_work.task()
    claim(pat)
    sql("UPDATE users SET is_active = false WHERE id = %s", pat.user_id)
    user = None if to == "nobody" else desk_work.client.user_id
    answer = desk_work.client.patch(f"/v1/agents/{agent_of_pat.user_id}", {"user_id": user})
    assert (answer.status_code, answer.json["is_active"]) == (200, False)
    assert desk_work.read("tasks", key)["status"] == "pending"
    assert problem(agent_of_pat.get("/v1/me")) == UNAUTHENTICATED


def test_a_user_with_an_agent_is_not_deleted(
    desk_work: DeskWork, pat: Client, agent_of_pat: Client
) -> None:
    """409 in-use, as long as the agent is linked; so no agent works for a user who is gone."""
    path = f"/v1/users/{pat.user_id}"
    assert problem(desk_work.client.delete(path)) == (409, "in-use")
    desk_work.delete("agents", agent_of_pat.user_id)
    assert desk_work.client.delete(path).status_code == 204
    assert problem(desk_work.restore("agents", agent_of_pat.user_id)) == (409, "parent-deleted")


def test_deactivating_a_user_races_what_is_given_to_the_agent(
    desk_work: DeskWork, hire: Hire, sign_in: SignIn, sql: Sql, deadlocks: list[str]
) -> None:
    """Whoever comes first: nothing stays with the agent, and nobody waits in a circle."""
    about = desk_work.customer()
    for number in range(6):
        user = sign_in("staff", f"user-{number}")
        agent = hire(f"agent-{number}", kind="human", user_id=user.user_id).user_id
        talks, gone = desk_work.conversation(about), desk_work.task(agent_id=agent)
        desk_work.delete("tasks", gone)
        moved, task = desk_work.task(), f"/v1/agents/{agent}"
        calls: list[tuple[Client, str, str, Any]] = [
            (user, "POST", "/v1/tasks/claim", {"limit": 5}),
            (desk_work.client, "POST", f"/v1/conversations/{talks}/assign", {"agent_id": agent}),
            (desk_work.client, "POST", f"/v1/tasks/{gone}/restore", None),
            (desk_work.client, "POST", "/v1/tasks", {**TASK, "agent_id": agent}),
            (desk_work.client, "PATCH", f"/v1/tasks/{moved}", {"agent_id": agent}),
            (desk_work.client, "PATCH", task, {"is_active": True}),
        ]
        goes: tuple[Client, str, str, Any] = (
            desk_work.client,
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
