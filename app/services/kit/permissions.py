"""Which roles may call a service's public methods: declared once, on the method itself.

HTTP reads the roles of a route from here (`roles_of`), and the service checks them again, so that
they hold for every caller. A method that takes a handle (connection, session) runs inside a unit of
work that a checked method has opened, and is not checked again.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

from app.domain.actors import Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.actors import Actor

P = ParamSpec("P")
T = TypeVar("T")


class HasActor(Protocol):
    @property
    def actor(self) -> Actor: ...


S = TypeVar("S", bound=HasActor)

Roles = frozenset[Role]

SYSTEM_ONLY: Roles = frozenset()
ADMINS: Roles = frozenset({Role.ADMIN})
WRITERS: Roles = frozenset({Role.ADMIN, Role.STAFF})
READERS: Roles = frozenset({Role.ADMIN, Role.STAFF, Role.VIEWER})
AGENTS: Roles = frozenset({Role.AGENT})
# An agent reads and writes only what its tasks refer to, except where a service is
# `open_to_agents`, such as that of products.
WRITERS_AND_AGENTS = WRITERS | AGENTS
READERS_AND_AGENTS = READERS | AGENTS


def allowed(
    roles: Roles | str,
) -> Callable[[Callable[Concatenate[S, P], T]], Callable[Concatenate[S, P], T]]:
    """Refuse the method to every other role: Forbidden. The system may call every method.

    `roles` is a set, or the name of the class attribute that holds it: `readers`, `listers` or
    `writers`. So an inherited verb has the roles of each service.
    """

    def declare(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
        @wraps(method)
        def checked(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
            self.actor.check_role(getattr(self, roles) if isinstance(roles, str) else roles)
            return method(self, *args, **kwargs)

        checked.allowed = roles  # type: ignore[attr-defined] # read by roles_of
        return checked

    return declare


def roles_of(service: type[HasActor], method: str) -> Roles:
    """The roles that may call this method of the service."""
    declared: Roles | str = getattr(service, method).allowed
    if isinstance(declared, str):
        found: Roles = getattr(service, declared)
        return found
    return declared
