"""Who gets at what: every route to an object, each role, and an own, another's or no object."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.functional.test_access import MAY
from tests.routes import WRITES

if TYPE_CHECKING:
    from tests.client import Answer
    from tests.scene import Scene

STRANGERS = {"anonymous", "revoked", "deactivated"}  # the last two have been admins
ROLES = ["admin", "staff", "viewer", "agent", *sorted(STRANGERS)]
WHICH = ["own", "other", "deleted", "missing"]
NEVER_DELETED = {"accounts", "transactions", "events"}

ROUTES = [route for route in MAY if "<id:key>" in route]

# What is not the business of everybody whom the table of roles lets in.
OPEN_TO_AGENTS = {"products", "faqs"}
UNDER_A_LEASE = {
    f"POST /v1/tasks/<id:key>/{verb}" for verb in ("heartbeat", "complete", "fail", "release")
}
ADMINS_WHERE_THE_FIRMS = {  # the other account is
    "PATCH /v1/accounts/<id:key>",
    "POST /v1/accounts/<id:key>/freeze",
    "POST /v1/accounts/<id:key>/unfreeze",
    "POST /v1/accounts/<id:key>/close",
    "GET /v1/accounts/<id:key>/entries",
}
LET_IN = {
    "GET": {200},
    "POST": {200, 201, 409, 422},  # its state may be against it
    "PATCH": {200, 409, 422},
    "DELETE": {204, 409},
}
BODIES = {"POST /v1/conversations/<id:key>/messages": {"direction": "note", "body": "x"}}


def expected(route: str, role: str, which: str) -> int | None:
    """The refusal, or None for whoever is let in, whatever the state of the object allows."""
    if role in STRANGERS:
        return 401
    if role not in MAY[route]:
        return 403
    if role == "agent" and resource_of(route) not in OPEN_TO_AGENTS and route not in UNDER_A_LEASE:
        return None if which == "own" else 403  # also where there is nothing
    if role != "admin" and which == "other" and route in ADMINS_WHERE_THE_FIRMS:
        return 403
    if which == "missing" or (which == "deleted" and not route.endswith("/restore")):
        return 404
    return None


def resource_of(route: str) -> str:
    return route.split("/")[2]


def ask(scene: Scene, route: str, role: str, which: str) -> Answer:
    method, _, rule = route.partition(" ")
    key = scene.ids.get(f"{resource_of(route)}_{which}", scene.ids["missing"])
    body = BODIES.get(route)
    if body is None and route in WRITES:
        body = WRITES[route].body_for(scene.ids)
    return scene.client(role).send(method, re.sub("<id:key>", key, rule), body)


def whichever(route: str) -> list[str]:
    never = resource_of(route) in NEVER_DELETED
    return [which for which in WHICH if which != "deleted" or not never]


@pytest.mark.parametrize("route", ROUTES)
def test_each_role_gets_at_what_is_its_business(scene: Scene, route: str) -> None:
    """401, 403 and 404 as the tables say, and nothing is changed by who gets one of them."""
    for role in ROLES:
        for which in whichever(route):
            answer = ask(scene, route, role, which)
            refused = answer.status_code if answer.status_code in (401, 403, 404) else None
            assert refused == expected(route, role, which), (role, which, answer.text)
            assert refused or answer.status_code in LET_IN[answer.request.method], (role, which)
            if refused is not None:
                assert scene.rows.rows() == scene.rows.taken, (role, which)
            elif route in WRITES:
                scene.rows.restore()


@pytest.mark.parametrize("route", ROUTES)
def test_who_may_not_is_not_told_what_there_is(scene: Scene, route: str) -> None:
    """The answer about another's object is that about one which does not exist."""
    for role in ROLES:
        if expected(route, role, "missing") not in (401, 403):
            continue
        refused = [which for which in whichever(route) if expected(route, role, which) is not None]
        reported = {which: told_by(ask(scene, route, role, which)) for which in refused}
        assert len(set(reported.values())) == 1, (role, reported)


def told_by(answer: Answer) -> tuple[object, ...]:
    """All but which request it was."""
    body = answer.json
    return (answer.status_code, *(body[name] for name in ("type", "title", "detail")))


def test_the_rows_are_what_the_matrix_says(scene: Scene) -> None:
    """Each resource with an object in a path has an own, another's and a deleted one."""
    resources = {resource_of(route) for route in ROUTES}
    needed = {
        f"{resource}_{which}"
        for resource in resources
        for which in ("own", "other", "deleted")
        if which != "deleted" or resource not in NEVER_DELETED
    }
    assert needed <= set(scene.ids)
