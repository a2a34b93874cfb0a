"""Who may call what: every route with every role, and what was forgotten is denied."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from app import create_app
from app.settings import Settings
from tests.client import Client, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

EVERYBODY = {"admin", "staff", "viewer", "agent", "anonymous"}
READERS = {"admin", "staff", "viewer"}
WRITERS = {"admin", "staff"}
ADMINS = {"admin"}
AGENTS = {"agent"}  # as far as their tasks let them; all products and FAQs

MAY = {
    "GET /": EVERYBODY,
    "GET /favicon.ico": EVERYBODY,
    "GET /livez": EVERYBODY,
    "GET /readyz": EVERYBODY,
    "GET /openapi.json": EVERYBODY,
    "GET /problems": EVERYBODY,
    "GET /problems/<code>": EVERYBODY,
    "GET /docs": EVERYBODY,
    "GET /docs/start.js": EVERYBODY,
    "GET /docs/page.css": EVERYBODY,
    "GET /docs/swagger-ui.css": EVERYBODY,
    "GET /docs/swagger-ui-bundle.js": EVERYBODY,
    "GET /v1/me": READERS | AGENTS,
    "GET /v1/users": ADMINS,
    "POST /v1/users": ADMINS,
    "POST /v1/users/deactivate": ADMINS,
    "GET /v1/users/<id:key>": ADMINS,
    "PATCH /v1/users/<id:key>": ADMINS,
    "DELETE /v1/users/<id:key>": ADMINS,
    "POST /v1/users/<id:key>/restore": ADMINS,
    "GET /v1/tokens": ADMINS,
    "POST /v1/tokens": ADMINS,
    "GET /v1/tokens/<id:key>": ADMINS,
    "DELETE /v1/tokens/<id:key>": ADMINS,
    "GET /v1/customers": READERS,
    "POST /v1/customers": WRITERS,
    "POST /v1/customers/bulk": WRITERS,
    "GET /v1/customers/<id:key>": READERS | AGENTS,
    "PATCH /v1/customers/<id:key>": WRITERS,
    "DELETE /v1/customers/<id:key>": WRITERS,
    "POST /v1/customers/<id:key>/restore": WRITERS,
    "GET /v1/accounts": READERS,
    "POST /v1/accounts": WRITERS,
    "GET /v1/accounts/<id:key>": READERS | AGENTS,
    "PATCH /v1/accounts/<id:key>": WRITERS,
    "POST /v1/accounts/<id:key>/freeze": WRITERS,
    "POST /v1/accounts/<id:key>/unfreeze": WRITERS,
    "POST /v1/accounts/<id:key>/close": WRITERS,
    "GET /v1/accounts/<id:key>/entries": READERS | AGENTS,
    "GET /v1/customers/<id:key>/accounts": READERS | AGENTS,
    "GET /v1/transactions": READERS,
    "POST /v1/transactions": WRITERS,
    "GET /v1/transactions/<id:key>": READERS,
    "POST /v1/transactions/<id:key>/post": WRITERS,
    "POST /v1/transactions/<id:key>/void": WRITERS,
    "POST /v1/transactions/<id:key>/approve": WRITERS,
    "POST /v1/transactions/<id:key>/reverse": WRITERS,
    "GET /v1/agents": READERS,
    "POST /v1/agents": WRITERS,
    "GET /v1/agents/<id:key>": READERS,
    "PATCH /v1/agents/<id:key>": WRITERS,
    "DELETE /v1/agents/<id:key>": WRITERS,
    "POST /v1/agents/<id:key>/restore": WRITERS,
    "POST /v1/agents/<id:key>/deactivate": WRITERS,
    "GET /v1/conversations": READERS,
    "POST /v1/conversations": WRITERS,
    "POST /v1/conversations/bulk-assign": WRITERS,
    "POST /v1/conversations/bulk-resolve": WRITERS,
    "GET /v1/conversations/<id:key>": READERS | AGENTS,
    "PATCH /v1/conversations/<id:key>": WRITERS,
    "DELETE /v1/conversations/<id:key>": WRITERS,
    "POST /v1/conversations/<id:key>/restore": WRITERS,
    "POST /v1/conversations/<id:key>/assign": WRITERS,
    "POST /v1/conversations/<id:key>/snooze": WRITERS,
    "POST /v1/conversations/<id:key>/resolve": WRITERS,
    "POST /v1/conversations/<id:key>/reopen": WRITERS,
    "POST /v1/conversations/<id:key>/close": WRITERS,
    "POST /v1/conversations/<id:key>/merge": WRITERS,
    "GET /v1/customers/<id:key>/conversations": READERS,
    "GET /v1/conversations/<id:key>/messages": READERS | AGENTS,
    "POST /v1/conversations/<id:key>/messages": WRITERS | AGENTS,
    "GET /v1/messages/<id:key>": READERS | AGENTS,
    "GET /v1/tasks": READERS,
    "POST /v1/tasks": WRITERS | AGENTS,
    "POST /v1/tasks/bulk": WRITERS,
    "GET /v1/tasks/<id:key>": READERS | AGENTS,
    "PATCH /v1/tasks/<id:key>": WRITERS,
    "DELETE /v1/tasks/<id:key>": WRITERS,
    "POST /v1/tasks/<id:key>/restore": WRITERS,
    "POST /v1/tasks/claim": WRITERS | AGENTS,
    "POST /v1/tasks/<id:key>/heartbeat": WRITERS | AGENTS,
    "POST /v1/tasks/<id:key>/complete": WRITERS | AGENTS,
    "POST /v1/tasks/<id:key>/fail": WRITERS | AGENTS,
    "POST /v1/tasks/<id:key>/release": WRITERS | AGENTS,
    "POST /v1/tasks/<id:key>/cancel": WRITERS,
    "POST /v1/tasks/<id:key>/requeue": WRITERS,
    "GET /v1/tasks/<id:key>/subtasks": READERS | AGENTS,
    "GET /v1/tasks/<id:key>/attempts": READERS | AGENTS,
    "GET /v1/todos": READERS,
    "POST /v1/todos": WRITERS,
    "GET /v1/todos/<id:key>": READERS,
    "PATCH /v1/todos/<id:key>": WRITERS,
    "DELETE /v1/todos/<id:key>": WRITERS,
    "POST /v1/todos/<id:key>/restore": WRITERS,
    "GET /v1/products": READERS | AGENTS,
    "POST /v1/products": WRITERS,
    "POST /v1/products/bulk": WRITERS,
    "GET /v1/products/<id:key>": READERS | AGENTS,
    "PATCH /v1/products/<id:key>": WRITERS,
    "DELETE /v1/products/<id:key>": WRITERS,
    "POST /v1/products/<id:key>/restore": WRITERS,
    "GET /v1/faqs": READERS | AGENTS,
    "POST /v1/faqs": WRITERS,
    "POST /v1/faqs/bulk": WRITERS,
    "GET /v1/faqs/<id:key>": READERS | AGENTS,
    "PATCH /v1/faqs/<id:key>": WRITERS,
    "DELETE /v1/faqs/<id:key>": WRITERS,
    "POST /v1/faqs/<id:key>/restore": WRITERS,
    "GET /v1/events": READERS,
    "GET /v1/events/feed": READERS,
    "GET /v1/events/<id:key>": READERS,
}


def _routes(app: Flask) -> set[str]:
    return {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD"}
    }


def test_the_table_above_names_every_route(app: Flask) -> None:
    """A new route has to be written down here, with who may call it."""
    assert _routes(app) == set(MAY)


@pytest.mark.parametrize("route", MAY)
@pytest.mark.parametrize("role", ["admin", "staff", "viewer", "agent", "anonymous"])
def test_each_role_may_do_what_the_table_says(
    sign_in: Callable[[str], Client],
    hire: Callable[..., Client],
    anonymous: Client,
    route: str,
    role: str,
) -> None:
    """Before anything else is looked at: 401 without a token, 403 without the role."""
    client = anonymous if role == "anonymous" else hire() if role == "agent" else sign_in(role)
    method, _, rule = route.partition(" ")
    path = re.sub("<id:[a-z]+>", str(uuid4()), rule)
    for sent in {method, "HEAD" if method == "GET" else method}:
        answer = client.send(sent, path)
        if role in MAY[route]:
            assert answer.status_code not in (401, 405, 500)
            # It may be 403 for another reason: the actor, or the row that is asked for.
            assert f"The role {role} may not" not in answer.text
        else:
            assert answer.status_code == (401 if role == "anonymous" else 403)
            assert answer.mimetype == "application/problem+json"


def test_each_route_declares_a_policy(app: Flask) -> None:
    """Its roles and its parameters, beside the route itself."""
    forgotten = [name for name, view in app.view_functions.items() if not hasattr(view, "policy")]
    assert forgotten == []


@pytest.mark.parametrize("role", ["admin", "anonymous"])
def test_a_route_without_a_policy_is_denied(
    app: Flask, sign_in: Callable[[str], Client], database_url: str, role: str
) -> None:
    """Nobody gets in where it was forgotten to say who may."""
    other = create_app(Settings(database_url=database_url, given_secret_key="k" * 32))
    other.add_url_rule("/v1/forgotten", view_func=lambda: "secret", endpoint="forgotten")
    token = sign_in("admin").token if role == "admin" else None
    answer = Client(other, token).get("/v1/forgotten")
    other.extensions["database"].dispose()
    assert problem(answer) == (403, "forbidden")


def test_a_refusal_comes_before_any_look_at_the_input(viewer: Client, anonymous: Client) -> None:
    """Who may not call a route learns nothing about what it takes or what is there."""
    for client, expected in ((viewer, (403, "forbidden")), (anonymous, (401, "unauthenticated"))):
        answers = [
            client.post("/v1/customers?x=1", {"nonsense": 1}),
            client.send("POST", "/v1/customers", raw=b"{", content_type="text/plain"),
            client.patch(f"/v1/users/{uuid4()}", {}),
            client.delete(f"/v1/customers/{uuid4()}", if_match='"1"'),
        ]
        assert [problem(answer) for answer in answers] == [expected] * 4


@pytest.mark.parametrize("route", MAY)
def test_no_route_takes_a_parameter_it_does_not_know(admin: Client, route: str) -> None:
    """Lists and all others alike: nothing that a caller asks for is quietly ignored."""
    method, _, rule = route.partition(" ")
    path = re.sub("<id:[a-z]+>", str(uuid4()), rule)
    for query in ("nope=1", "dry_run=true", "include_deleted=true&include_deleted=true", "%ff"):
        answer = admin.send(method, f"{path}?{query}")
        assert problem(answer) == (400, "invalid-parameter")


def test_staff_and_viewers_see_no_users(staff: Client, viewer: Client) -> None:
    """Not even their own account, which is under /v1/me."""
    for client in (staff, viewer):
        for path in (f"/v1/users/{client.user_id}", f"/v1/tokens/{client.token_id}"):
            assert problem(client.get(path)) == (403, "forbidden")
        assert client.get("/v1/me").json["id"] == client.user_id
