"""Every public method of every service is failed at every message it sends to PostgreSQL."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.actors import Role
from app.errors import OutcomeUnknown
from app.repositories import Query
from app.repositories.event_feed import START
from app.services import (
    Authenticator,
    CustomerService,
    EventService,
    Service,
    TokenService,
    UserService,
)
from app.services.demo import DemoService
from tests.faults import DROP, DROP_AFTER, Faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db import Database

    Call = Callable[[], object]
    Sql = Callable[..., list[tuple[Any, ...]]]

TABLES = ("users", "tokens", "customers", "events", "event_personal_values")


def user(email: str, role: Role = Role.STAFF) -> dict[str, Any]:
    return {"email": email, "name": "Ada", "role": role}


def prepare(database: Database) -> dict[str, Call]:
    """One call of each method, by name, on rows made for it."""
    users, customers = UserService(database=database), CustomerService(database=database)
    tokens, events = TokenService(database=database), EventService(database=database)
    users.create(user("boss@x.example", Role.ADMIN))
    ada = users.create(user("ada@x.example")).id
    token, secret = tokens.issue({"user_id": ada, "name": "t"})
    kept = customers.create({"reference": "kept", "name": "Ann"}).id
    gone = customers.create({"reference": "gone", "name": "Ann"}).id
    customers.remove(gone)
    event = events.page(Query())[0].items[0]["id"]
    return {
        "customers.create": lambda: customers.create({"reference": "new", "name": "x"}),
        "customers.get": lambda: customers.get(kept),
        "customers.find": lambda: customers.find(reference="kept"),
        "customers.page": lambda: customers.page(Query(), total=True),
        "customers.update": lambda: customers.update(kept, {"name": "Bea"}),
        "customers.remove": lambda: customers.remove(kept),
        "customers.restore": lambda: customers.restore(gone),
        "users.deactivate": lambda: users.deactivate([ada]),
        "users.remove": lambda: users.remove(ada),
        "tokens.issue": lambda: tokens.issue({"user_id": ada, "name": "u"}),
        "tokens.issue_for": lambda: tokens.issue_for("ada@x.example", "u", None),
        "tokens.remove": lambda: tokens.remove(token.id),
        "events.get": lambda: events.get(event),
        "events.page": lambda: events.page(Query()),
        "events.feed": lambda: events.feed(START, limit=5),
        "demo.load": DemoService(database=database).load,
        "authenticator.authenticate": lambda: Authenticator(database, remember=0).authenticate(
            secret
        ),
    }


def names(**services: type[Service]) -> set[str]:
    """The public methods that the services define or inherit, as `noun.method`."""
    internal = {"record", "require_admin_for_deleted", "model"}
    return {
        f"{noun}.{name}"
        for noun, kind in services.items()
        for name, _ in inspect.getmembers(kind, callable)
        if not name.startswith("_") and name not in internal
    }


CALLS = [
    "customers.create", "customers.get", "customers.find", "customers.page", "customers.update",
    "customers.remove", "customers.restore", "users.deactivate", "users.remove", "tokens.issue",
    "tokens.issue_for", "tokens.remove", "events.get", "events.page", "events.feed", "demo.load",
    "authenticator.authenticate",
]  # fmt: skip

READS = {
    "customers.get", "customers.find", "customers.page", "events.get", "events.page", "events.feed",
    "authenticator.authenticate",
}  # fmt: skip


def snapshot(sql: Sql) -> dict[str, list[tuple[Any, ...]]]:
    return {table: sql(f"SELECT * FROM {table} ORDER BY 1") for table in TABLES}


def test_no_method_is_forgotten() -> None:
    """What a service offers is failed below, by itself or where it is inherited."""
    every = names(
        customers=CustomerService, users=UserService, tokens=TokenService, events=EventService
    )
    methods = {name.partition(".")[2] for name in CALLS}
    own = {name for name in every if name.partition(".")[2] not in methods}
    assert own == {"users.me"}  # it is `get` of the actor


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("how", ["23514", "40001", DROP, DROP_AFTER])
def test_a_call_that_fails_anywhere_does_all_or_nothing(
    database: Database, sql: Sql, empty: Call, name: str, how: str
) -> None:
    """Where it is told as failed nothing is there; where it is run again all of it is, once."""
    at, faults = 0, Faults(database)
    while not at or faults.struck:  # until past its last message
        at += 1
        empty()
        call = prepare(database)[name]
        before = snapshot(sql)
        with Faults(database, at, how) as faults:
            error = outcome(call)
        done = snapshot(sql) != before
        if isinstance(error, OutcomeUnknown):
            assert faults.seen[-1] == "COMMIT"
            assert done == (how == DROP_AFTER)
        elif error is not None:
            assert not done, faults.seen
            assert how == "23514"
        else:
            assert done == (name not in READS)
    assert at > 1


def outcome(call: Call) -> Exception | None:
    try:
        call()
    except Exception as error:  # noqa: BLE001 - which one is what is looked at
        return error
    return None
