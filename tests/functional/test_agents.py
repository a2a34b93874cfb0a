"""Agents: people and programs with tokens, as a resource."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.client import Client, codes, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    Hire = Callable[..., Client]


BOT = {"name": "bot", "kind": "ai"}
NOWHERE = "01a00000-0000-7000-8000-000000000000"


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
