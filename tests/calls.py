"""One call of each public method of every service, on rows made for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from app.db import Query, Sort
from app.db.listing import Seal
from app.domain.accounts import NewAccount
from app.domain.actors import Actor, ActorKind, Role
from app.domain.conversations import (
    NewConversation,
)
from app.domain.messages import NewMessage
from app.domain.money import Money
from app.domain.rules import Rules
from app.domain.tasks import NewTask
from app.domain.tokens import NewToken
from app.domain.transactions import Leg, NewTransaction
from app.repositories.event_feed import START
from app.services import (
    AccountService,
    Answer,
    Authenticator,
    ConversationOpener,
    ConversationResolver,
    CustomerService,
    ErasureService,
    EventService,
    IdempotencyService,
    TaskService,
    TokenService,
    TransactionLifecycle,
    TransactionService,
    UserService,
)
from app.services.account_opening_balances import Line, OpeningBalanceService
from app.services.demo import DemoService
from app.services.jobs import JobService
from app.services.ledger_check import LedgerCheckService
from tests.calls_at_desk import LATER, prepare_talks, prepare_work, user
from tests.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db import Database

    Call = Callable[[], object]


# What time has brought about: a snooze that is over, two leases, a hold and a key that ran out.
TIME_PASSES = """
UPDATE idempotency_keys SET expires_at = now();
UPDATE conversations SET snoozed_until = now() WHERE subject = 'asleep';
UPDATE tasks SET lease_expires_at = now() WHERE kind IN ('lost', 'spent');
ALTER TABLE transactions DISABLE TRIGGER USER;
UPDATE transactions SET expires_at = now() WHERE description = 'late';
ALTER TABLE transactions ENABLE TRIGGER USER;
"""


def prepare(database: Database) -> dict[str, Call]:
    """One call of each method, by name, on rows made for it."""
    users, customers = UserService.as_system(database), CustomerService.as_system(database)
    tokens, events = TokenService.as_system(database), EventService.as_system(database)
    users.create(user("boss@x.example", Role.ADMIN))
    ada = users.create(user("ada@x.example")).id
    token, secret = tokens.issue(NewToken(user_id=ada, name="t"))
    kept = customers.create({"reference": "kept", "name": "Ann"}).id
    gone = customers.create({"reference": "gone", "name": "Ann"}).id
    unused = customers.create({"reference": "unused", "name": "Ann"}).id
    customers.remove(gone)
    erasure, done_with = ErasureService.as_system(database), served(database)
    actor = Actor(ActorKind.USER, ada, "Ada", Role.STAFF)
    keys = IdempotencyService(
        database=database, actor=actor, seal=partial(Seal, "k" * 32, "answer")
    )
    keys.once("old", b"POST /v1/customers", lambda: Answer(204, {}, b""))
    event = events.page(Query())[0].items[0]["id"]
    return {
        "customers.create": lambda: customers.create({"reference": "new", "name": "x"}),
        "customers.create_many": lambda: customers.create_many(
            [{"reference": f"many {n}", "name": "x"} for n in range(3)]
        ),
        "customers.get": lambda: customers.get(kept),
        "customers.get_many": lambda: customers.get_many([kept, gone]),
        "customers.find": lambda: customers.find(reference="kept"),
        "customers.page": lambda: customers.page(Query(), total=True),
        "customers.read_all": lambda: customers.read_all(list),
        "customers.update": lambda: customers.update(kept, {"name": "Bea"}),
        "customers.remove": lambda: customers.remove(unused),
        "customers.restore": lambda: customers.restore(gone),
        "erasure.erase": lambda: erasure.erase(done_with, messages=True),
        "idempotency.once": lambda: keys.once(
            "k1",
            b"POST /v1/customers",
            lambda: Answer(201, {}, customers.create({"reference": "k", "name": "x"}).id.bytes),
        ),
        "users.deactivate": lambda: users.deactivate([ada]),
        "users.remove": lambda: users.remove(ada),
        "tokens.issue": lambda: tokens.issue(NewToken(user_id=ada, name="u")),
        "tokens.issue_for": lambda: tokens.issue_for("ada@x.example", "u", None),
        "tokens.issue_for_agent": lambda: tokens.issue_for_agent("bot", "u", None),
        "tokens.remove": lambda: tokens.remove(token.id),
        "events.get": lambda: events.get(event),
        "events.page": lambda: events.page(Query()),
        "events.feed": lambda: events.feed(START, limit=5, most_bytes=1_000_000),
        "jobs.remove_expired_keys": JobService.as_system(database).remove_expired_keys,
        "ledger.verify": LedgerCheckService.as_system(database).verify,
        "demo.load": DemoService.as_system(database).load,
        "authenticator.authenticate": lambda: Authenticator(database, remember=0).authenticate(
            secret
        ),
        **prepare_work(database, kept),
        **prepare_talks(database, kept),
        **prepare_money(database, kept),
    }


def served(database: Database) -> Any:
    """A customer with a conversation and a task that have ended."""
    customer = CustomerService.as_system(database).create({"reference": "served", "name": "Di"}).id
    new = NewConversation(
        customer_id=customer,
        subject="served",
        channel="web",
        message=NewMessage(body="Hello"),
        task=NewTask(kind="served", queue="none", input={"a": 1}),
    )
    talk, _ = ConversationOpener.as_system(database).open(new)
    (task,) = TaskService.as_system(database).page(Query(filters={"kind": "served"}))[0].items
    TaskService.as_system(database).cancel(task["id"])
    ConversationResolver.as_system(database).resolve(talk.id)
    return customer


def prepare_money(database: Database, customer: Any) -> dict[str, Call]:
    """Accounts and transactions."""
    accounts, transactions = (
        AccountService.as_system(database),
        TransactionService.as_system(database),
    )
    transfers = TransactionLifecycle.as_system(database)
    firms = accounts.open(NewAccount(name="Cash", currency="GBP"))
    cash, openings = firms["id"], OpeningBalanceService.as_system(database)
    new = NewAccount(customer_id=customer, name="Current", currency="GBP")
    key, empty, frozen = (accounts.open(new)["id"] for _ in range(3))
    line = Line(1, accounts.get(empty)["number"], "5.00", "GBP")
    accounts.freeze(frozen)
    legs = [Leg(cash, Money(-5, "GBP")), Leg(key, Money(5, "GBP"))]

    def hold(**values: Any) -> Any:
        return transactions.create(NewTransaction(entries=legs, pending=True, **values))[0]["id"]

    new_transaction = NewTransaction(entries=legs)
    posted = transactions.create(new_transaction)[0]["id"]
    held, given_up, _ = hold(), hold(), hold(description="late", expires_at=LATER)
    approver = UserService.as_system(database).create(user("ann@x.example"))
    second = Actor(ActorKind.USER, approver.id, "ann", Role.STAFF)
    strict = Rules(approval_threshold=Decimal(0))
    first = Actor(ActorKind.USER, uuid4(), "bob", Role.ADMIN)
    checking = TransactionService(database=database, rules=strict, actor=first)
    waiting = checking.create(new_transaction)
    approving = TransactionLifecycle(database=database, actor=second)
    return {
        "accounts.open": lambda: accounts.open(new),
        "accounts.change": lambda: accounts.change(key, {"name": "x"}),
        "accounts.freeze": lambda: accounts.freeze(key),
        "accounts.unfreeze": lambda: accounts.unfreeze(frozen),
        "accounts.close": lambda: accounts.close(empty),
        "accounts.of_customer": lambda: accounts.of_customer(customer, Query()),
        "accounts.statement": lambda: accounts.statement(key, Query(sort=(Sort("seq"),))),
        "transactions.get": lambda: transactions.get(posted),
        "transactions.get_many": lambda: transactions.get_many([posted]),
        "transactions.page": lambda: transactions.page(Query(), total=True),
        "transactions.create": lambda: transactions.create(replace(new_transaction, reference="r")),
        "transfers.post": lambda: transfers.post(held, amount=Money(3, "GBP")),
        "transfers.void": lambda: transfers.void(given_up),
        "transfers.approve": lambda: approving.approve(waiting[0]["id"]),
        "transfers.reverse": lambda: transfers.reverse(posted),
        "transfers.expire_due": transfers.expire_due,
        "openings.load": lambda: openings.load([line], against=firms["number"]),
    }


CALLS = [
    "customers.create", "customers.create_many", "customers.get", "customers.get_many",
    "customers.find", "customers.page", "customers.read_all", "customers.update",
    "customers.remove", "customers.restore", "erasure.erase", "idempotency.once",
    "users.deactivate", "users.remove", "tokens.issue",
    "tokens.issue_for", "tokens.issue_for_agent", "tokens.remove", "events.get", "events.page",
    "events.feed", "authenticator.authenticate", "agents.create", "agents.update",
    "agents.deactivate", "agents.remove", "agents.restore", "agents.pending_tasks",
    "agents.for_worker", "batches.create_many",
    "tasks.submit", "tasks.subtasks", "tasks.attempts", "tasks.with_subtasks", "tasks.update",
    "tasks.remove", "tasks.restore", "queue.claim", "leases.heartbeat", "leases.complete",
    "leases.fail", "leases.release", "tasks.cancel", "tasks.requeue", "queue.rescue", "queue.stats",
    "todos.create", "todos.update", "todos.remove", "todos.restore",
    "conversations.of_customer", "conversations.whole", "conversations.with_people",
    "conversations.update", "conversations.remove", "conversations.restore", "crowds.assign",
    "crowds.resolve", "opener.open",
    "lifecycle.assign", "lifecycle.snooze", "resolver.resolve", "lifecycle.reopen",
    "lifecycle.close", "merger.merge", "lifecycle.wake_due", "messages.get", "messages.page",
    "messages.post", "accounts.open", "accounts.change", "accounts.freeze", "accounts.unfreeze",
    "accounts.close", "accounts.of_customer", "accounts.statement", "transactions.get",
    "transactions.get_many", "transactions.page", "transactions.create", "transfers.post",
    "transfers.void", "transfers.approve", "transfers.reverse", "transfers.expire_due",
    "jobs.remove_expired_keys", "ledger.verify",
]  # fmt: skip


@dataclass(frozen=True)
class Desk:
    """Rows, and calls that change them; the rows are put back after each call."""

    database: Database
    calls: dict[str, Call]
    rows: Rows
