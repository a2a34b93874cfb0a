"""Every public method of every service is failed at every message it sends to PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.db.testing import NO_DIFFERENCE, WAYS, all_or_nothing
from app.services import (
    AccountService,
    AgentService,
    ConversationBatchService,
    ConversationLifecycle,
    ConversationMerger,
    ConversationOpener,
    ConversationResolver,
    ConversationService,
    CustomerService,
    ErasureService,
    EventService,
    FaqService,
    IdempotencyService,
    MessageService,
    ProductService,
    Service,
    TaskBatchService,
    TaskLeaseService,
    TaskQueueService,
    TaskService,
    TodoService,
    TokenService,
    TransactionLifecycle,
    TransactionService,
    UserService,
)
from app.services.account_opening_balances import OpeningBalanceService
from app.services.demo import DemoService
from app.services.jobs import JobService
from app.services.ledger_check import LedgerCheckService
from tests.calls import CALLS, TIME_PASSES, Desk, prepare
from tests.rows import Rows
from tests.services import every_service

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db import Database

    Call = Callable[[], object]


pytestmark = pytest.mark.usefixtures("patient")

SERVICES: dict[str, type[Service]] = {
    "accounts": AccountService,
    "agents": AgentService,
    "batches": TaskBatchService,
    "conversations": ConversationService,
    "customers": CustomerService,
    "crowds": ConversationBatchService,
    "erasure": ErasureService,
    "events": EventService,
    "faqs": FaqService,
    "demo": DemoService,
    "idempotency": IdempotencyService,
    "jobs": JobService,
    "ledger": LedgerCheckService,
    "openings": OpeningBalanceService,
    "lifecycle": ConversationLifecycle,
    "opener": ConversationOpener,
    "resolver": ConversationResolver,
    "merger": ConversationMerger,
    "messages": MessageService,
    "products": ProductService,
    "queue": TaskQueueService,
    "leases": TaskLeaseService,
    "tasks": TaskService,
    "todos": TodoService,
    "tokens": TokenService,
    "transactions": TransactionService,
    "transfers": TransactionLifecycle,
    "users": UserService,
}


def own_methods(noun: str) -> set[str]:
    """What the service itself lets callers with a role do, as `noun.method`."""
    return {
        f"{noun}.{name}"
        for name, method in vars(SERVICES[noun]).items()
        if hasattr(method, "allowed")
    }


READS = {
    "customers.get", "customers.get_many", "customers.find", "customers.page",
    "customers.read_all", "events.get", "events.page", "events.feed",
    "authenticator.authenticate", "agents.pending_tasks",
    "tasks.subtasks", "tasks.attempts", "tasks.with_subtasks", "queue.stats",
    "conversations.of_customer", "conversations.whole", "conversations.with_people",
    "messages.get", "messages.page", "accounts.of_customer", "accounts.statement",
    "transactions.get", "transactions.get_many", "transactions.page", "ledger.verify",
}  # fmt: skip
WITHOUT_EVENTS = {"leases.heartbeat", "jobs.remove_expired_keys"}
"""They write bookkeeping alone."""


# Of each object the last one that was written by units of work after `newest`.
_NEW_EVENTS = """
SELECT DISTINCT ON (object_id) object_type, object_id::text, object_version
FROM events WHERE xid > '{newest}'
ORDER BY object_id, id DESC
"""
_VERSION = "SELECT '{0}', '{1}', version FROM {0} WHERE id = '{1}'"
_desks: dict[str, Desk] = {}


@pytest.fixture
def desk(database: Database, empty: Call) -> Desk:
    """The same rows, with the same ids, for every test."""
    if database.url in _desks:
        _desks[database.url].rows.restore()
    else:
        empty()
        calls = prepare(database)
        with database.connect() as connection:
            connection.exec_driver_sql(TIME_PASSES)
        _desks[database.url] = Desk(database, calls, Rows(database.url))
    return _desks[database.url]


def test_no_service_is_forgotten() -> None:
    """A service with methods of its own is in SERVICES; one without any inherits what is tried."""
    missing = {
        name
        for name, kind in every_service().items()
        if kind not in SERVICES.values()
        and any(hasattr(method, "allowed") for method in vars(kind).values())
    }
    assert missing == set(), "SERVICES lacks them."


def test_no_method_is_forgotten() -> None:
    """What a service offers is failed below, by itself or, once, where it is inherited."""
    every = set().union(*map(own_methods, SERVICES))
    are_get = {"agents.me", "users.me"}  # of the actor
    changes_no_row = {"events.begin_epoch", "erasure.renew_statistics"}
    only_rate_limits = {"jobs.remove_unused_rate_limits"}  # which are no part of `Rows`
    many_units = {"jobs.run_due"}  # one for each of the jobs, which are failed one by one
    by_themselves = {"demo.load", "openings.load"}  # in tests of their own
    assert every - set(CALLS) == (
        are_get | changes_no_row | only_rate_limits | many_units | by_themselves
    )
    inherited = {"create", "create_many", "get", "get_many", "find", "page", "update", "remove"}
    inherited.add("restore")
    assert {f"customers.{name}" for name in inherited} <= set(CALLS)


@pytest.mark.sweep
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("how", WAYS)
def test_a_call_that_fails_anywhere_does_all_or_nothing(desk: Desk, name: str, how: str) -> None:
    """A call that raises changes nothing; a call that is run again does its work once."""
    proof = all_or_nothing(
        desk.calls[name], database=desk.database, snapshot=desk.rows, ways=[how], retried=True
    )
    assert (proof.difference == NO_DIFFERENCE) == (name in READS)


def test_a_long_call_that_fails_anywhere_does_all_or_nothing(desk: Desk) -> None:
    """Each way fails every tenth of many messages, and COMMIT."""
    load = desk.calls["demo.load"]
    proof = all_or_nothing(load, database=desk.database, snapshot=desk.rows, step=10, retried=True)
    assert proof.messages > 50


def test_opening_balances_that_fail_anywhere_are_all_booked_or_none(desk: Desk) -> None:
    """They are not run again: a file can be read only once."""
    load = desk.calls["openings.load"]
    proof = all_or_nothing(load, database=desk.database, snapshot=desk.rows)
    assert any(row.startswith("transactions ") for row in proof.difference.added)


@pytest.mark.parametrize("name", [name for name in CALLS if name not in READS])
def test_an_event_has_the_version_that_its_change_left(desk: Desk, name: str) -> None:
    """Whatever the change is made by: the ORM, Core, a mass update, raw SQL, a job."""
    # Not of the text: `ORDER BY xid` would sort what is selected, and 99 behind 100.
    (newest,) = desk.rows.run("SELECT xid::text FROM events ORDER BY events.xid DESC LIMIT 1")[0]
    desk.calls[name]()
    events = desk.rows.run(_NEW_EVENTS.format(newest=newest))
    assert events or name in WITHOUT_EVENTS
    left = [row for event in events for row in desk.rows.run(_VERSION.format(*event))]
    assert events == left
    desk.rows.restore()
