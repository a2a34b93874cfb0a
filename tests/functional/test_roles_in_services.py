"""What HTTP refuses to a role, the service behind the route refuses too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.api.kit import access
from app.api.kit.access import Policy
from app.domain.actors import Role
from tests.client import problem
from tests.functional.test_access import EVERYBODY, MAY
from tests.functional.test_access_to_objects import ask

if TYPE_CHECKING:
    from tests.scene import Scene

ROLES = {role.value for role in Role}
GUARDED = [(route, role) for route in MAY for role in sorted(ROLES - MAY[route])]


@pytest.fixture
def open_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every route lets every role in."""
    policy_of = access.policy_of

    def opened(endpoint: str) -> Policy | None:
        policy = policy_of(endpoint)
        assert policy is not None
        return Policy(frozenset(Role), policy.parameters)

    monkeypatch.setattr(access, "policy_of", opened)


def test_there_are_routes_that_some_roles_may_not_call() -> None:
    assert len(GUARDED) > len(MAY)
    assert all(MAY[route] != EVERYBODY for route, _ in GUARDED)


@pytest.mark.usefixtures("open_routes")
@pytest.mark.parametrize(("route", "role"), GUARDED)
def test_the_service_refuses_whom_the_route_refuses(scene: Scene, route: str, role: str) -> None:
    """With a request that would be carried out for others, and nothing is changed by it."""
    answer = ask(scene, route, role, "own")
    assert problem(answer) == (403, "forbidden")
    assert answer.json["detail"] == f"The role {role} may not do this."
    assert scene.rows.rows() == scene.rows.taken
