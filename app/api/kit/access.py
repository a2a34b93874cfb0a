"""The roles that may call each route: those of the service's method; without a policy, none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from app.api.kit import authentication, parameters
from app.api.kit.context import application
from app.errors import Forbidden
from app.services.kit.permissions import roles_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Request

    from app.api.kit.context import RequestData
    from app.domain.actors import Role
    from app.services.kit.base import Service

    View = TypeVar("View", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Policy:
    """`roles` None means everybody; `parameters` None means that the view checks them."""

    roles: frozenset[Role] | None
    parameters: tuple[str, ...] | None


def allow(
    roles: frozenset[Role] | None, parameters: tuple[str, ...] | None = ()
) -> Callable[[View], View]:
    """Put under the route's decorator: the roles that may call it, the parameters it knows."""

    def declare(view: View) -> View:
        view.policy = Policy(roles, parameters)  # type: ignore[attr-defined] # read by policy_of
        return view

    return declare


def allow_callers_of(
    kind: type[Service], method: str, parameters: tuple[str, ...] | None = ()
) -> Callable[[View], View]:
    """As `allow`, for the roles that may call this method of the service."""
    return allow(roles_of(kind, method), parameters)


def policy_of(endpoint: str) -> Policy | None:
    return getattr(application().view_functions[endpoint], "policy", None)


def check_access(request: Request, data: RequestData) -> None:
    """Before every request: 401, 429, 403 or 400 before the view runs.

    Sets `g.parameters`, the query string by name, which is read nowhere else.
    """
    if request.endpoint is None:
        return  # no such path or method: the framework says so
    policy = policy_of(request.endpoint)
    if policy is None:
        raise Forbidden("Nobody may do this.")
    if policy.roles is not None:
        authentication.authenticate(request.environ, data)
        data.actor.check_role(policy.roles)
    data.parameters = parameters.read_parameters(request.environ.get("QUERY_STRING", ""))
    if policy.parameters is not None:
        parameters.check_known(data.parameters, policy.parameters)
