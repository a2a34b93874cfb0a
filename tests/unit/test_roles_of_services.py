"""Every public method of every service, inherited ones included, with every role."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from app.api.kit.contract import repository_of
from app.domain.actors import ADMINS_ONLY, SYSTEM, Actor, ActorKind, Role
from app.errors import Forbidden
from app.services import Reads, Service
from tests.services import every_service

if TYPE_CHECKING:
    from collections.abc import Callable

ADMIN = frozenset({"admin"})
AGENT = frozenset({"agent"})
WRITERS = frozenset({"admin", "staff"})
READERS = frozenset({"admin", "staff", "viewer"})
WRITERS_AND_AGENTS = WRITERS | AGENT
EVERYBODY = READERS | AGENT
SYSTEM_ONLY: frozenset[str] = frozenset()

PLAIN_WRITES = "create update remove restore"

MAY: dict[str, dict[frozenset[str], str]] = {
    "AccountService": {
        EVERYBODY: "get get_many of_customer statement",
        READERS: "find page",
        WRITERS: "open change freeze unfreeze close",
    },
    "AgentService": {
        READERS: "get get_many find page",
        WRITERS: f"{PLAIN_WRITES} deactivate",
        AGENT: "me",
        SYSTEM_ONLY: "for_worker pending_tasks",
    },
    "ConversationBatchService": {WRITERS: "assign resolve"},
    "ConversationLifecycle": {
        WRITERS: "assign snooze reopen close",
        SYSTEM_ONLY: "wake_due",
    },
    "ConversationMerger": {WRITERS: "merge"},
    "ConversationOpener": {WRITERS: "open"},
    "ConversationResolver": {WRITERS: "resolve"},
    "ConversationService": {
        EVERYBODY: "get get_many",
        READERS: "find page of_customer",
        WRITERS: "update remove restore",
        SYSTEM_ONLY: "whole with_people",
    },
    "CustomerService": {
        EVERYBODY: "get get_many",
        READERS: "find page",
        WRITERS: f"{PLAIN_WRITES} create_many",
        SYSTEM_ONLY: "read_all",
    },
    "DemoService": {SYSTEM_ONLY: "load"},
    "ErasureService": {SYSTEM_ONLY: "erase renew_statistics"},
    "EventService": {READERS: "get page feed", SYSTEM_ONLY: "begin_epoch"},
    "FaqService": {
        EVERYBODY: "get get_many find page",
        WRITERS: f"{PLAIN_WRITES} create_many",
    },
    "IdempotencyService": {EVERYBODY: "once"},
    "JobService": {SYSTEM_ONLY: "run_due remove_expired_keys remove_unused_rate_limits"},
    "LedgerCheckService": {SYSTEM_ONLY: "verify"},
    "MessageService": {EVERYBODY: "get page", WRITERS_AND_AGENTS: "post"},
    "OpeningBalanceService": {SYSTEM_ONLY: "load"},
    "ProductService": {
        EVERYBODY: "get get_many find page",
        WRITERS: f"{PLAIN_WRITES} create_many",
    },
    "TaskBatchService": {WRITERS: "create_many"},
    "TaskLeaseService": {WRITERS_AND_AGENTS: "heartbeat complete fail release"},
    "TaskQueueService": {
        WRITERS_AND_AGENTS: "claim",
        SYSTEM_ONLY: "rescue stats",
    },
    "TaskService": {
        EVERYBODY: "get get_many subtasks attempts",
        READERS: "find page",
        WRITERS_AND_AGENTS: "submit",
        WRITERS: "update remove restore cancel requeue",
        SYSTEM_ONLY: "with_subtasks",
    },
    "TodoService": {READERS: "get get_many find page", WRITERS: PLAIN_WRITES},
    "TokenService": {ADMIN: "get get_many find page remove issue issue_for issue_for_agent"},
    "TransactionLifecycle": {WRITERS: "post void approve reverse", SYSTEM_ONLY: "expire_due"},
    "TransactionService": {READERS: "get get_many find page", WRITERS: "create"},
    "UserService": {
        ADMIN: f"get get_many find page {PLAIN_WRITES} deactivate",
        READERS: "me",
    },
}
ROLES_BY_METHOD = {
    (service, method): roles
    for service, by_roles in MAY.items()
    for roles, methods in by_roles.items()
    for method in methods.split()
}

# These open no unit of work and take no handle: they compute from their arguments.
COMPUTE_ONLY = {
    "check_accounts",
    "check_expected",
    "check_may_move",
    "completed",
    "effect",
    "event_changes",
    "moved",
    "related",
    "require_admin_for_deleted",
}


class Reached(Exception):
    """The method has passed its check, and is about to work."""


class NoDatabase:
    def __getattr__(self, name: str) -> Any:
        raise Reached(name)


def public_methods(kind: type[Service]) -> dict[str, Callable[..., Any]]:
    """Those that do not work on a handle that they are given."""
    methods = inspect.getmembers(kind, inspect.isfunction)
    return {
        name: method
        for name, method in methods
        if not name.startswith("_") and name not in COMPUTE_ONLY and not _takes_handle(method)
    }


def _takes_handle(method: Callable[..., Any]) -> bool:
    first = list(inspect.signature(method).parameters)[1:2]
    return first in (["connection"], ["session"])


def actors() -> dict[str, Actor]:
    kinds = dict.fromkeys(Role, ActorKind.USER) | {Role.AGENT: ActorKind.AGENT}
    return {role.value: Actor(kinds[role], uuid4(), role, role) for role in Role}


def is_refused(kind: type[Service], name: str, actor: Actor) -> bool:
    more = {"seal": None} if kind.__name__ == "IdempotencyService" else {}
    service = kind(database=NoDatabase(), actor=actor, **more)  # type: ignore[arg-type] # a stub
    given = inspect.signature(getattr(service, name)).parameters.values()
    arguments = [uuid4() for each in given if _is_asked_for(each)]
    try:
        getattr(service, name)(*arguments)
    except Forbidden as error:
        return "may not do this" in str(error)
    except Exception:  # noqa: BLE001 - the arguments make no sense: it has passed the check
        return False
    return False


def _is_asked_for(parameter: inspect.Parameter) -> bool:
    positional = parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    return positional and parameter.default is parameter.empty


def test_the_table_names_every_public_method() -> None:
    """A new method, inherited or not, has to be written down here, with who may call it."""
    found = {
        (name, method) for name, kind in every_service().items() for method in public_methods(kind)
    }
    assert found == set(ROLES_BY_METHOD)


@pytest.mark.parametrize(("service", "method"), ROLES_BY_METHOD)
def test_each_role_may_call_what_the_table_says(service: str, method: str) -> None:
    kind = every_service()[service]
    let_in = {name for name, actor in actors().items() if not is_refused(kind, method, actor)}
    assert let_in == ROLES_BY_METHOD[service, method]


def test_events_are_for_admins_where_their_objects_are() -> None:
    """Events show what the object holds."""
    for_admins = {
        repository_of(kind).model.__tablename__
        for kind in every_service().values()
        if issubclass(kind, Reads) and kind.readers == {Role.ADMIN}
    }
    assert for_admins == set(ADMINS_ONLY)


@pytest.mark.parametrize(("service", "method"), ROLES_BY_METHOD)
def test_the_system_may_call_everything(service: str, method: str) -> None:
    assert not is_refused(every_service()[service], method, SYSTEM)


@pytest.mark.parametrize(("service", "method"), ROLES_BY_METHOD)
def test_an_actor_without_a_role_may_call_nothing(service: str, method: str) -> None:
    """A user whose role was forgotten is not taken for the system."""
    nobody = Actor(ActorKind.USER, uuid4(), "nobody")
    assert not nobody.is_admin
    assert is_refused(every_service()[service], method, nobody)
