"""Every public method of every service is failed at every message it sends to PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from app.db import Query, Sort
from app.db.listing import Seal
from app.db.testing import NO_DIFFERENCE, WAYS, all_or_nothing
from app.domain.accounts import NewAccount
from app.domain.actors import Actor, ActorKind, Role
from app.domain.conversations import (
    BatchAssignment,
    ConversationBatch,
    NewConversation,
    Resolution,
)
from app.domain.messages import NewMessage
from app.domain.money import Money
from app.domain.rules import Rules
from app.domain.tasks import NewTask, TaskCompletion
from app.domain.tokens import NewToken
from app.domain.transactions import Leg, NewTransaction
from app.repositories.event_feed import START
from app.services import (
    AccountService,
    AgentService,
    Answer,
    Authenticator,
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
from app.services.demo import DemoService
from tests.rows import Rows

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
    "idempotency": IdempotencyService,
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

LATER = datetime(2100, 1, 1, tzinfo=UTC)

# What time has brought about: a snooze that is over, two leases and a hold that ran out.
TIME_PASSES = """
UPDATE conversations SET snoozed_until = now() WHERE subject = 'asleep';
UPDATE tasks SET lease_expires_at = now() WHERE kind IN ('lost', 'spent');
ALTER TABLE transactions DISABLE TRIGGER USER;
UPDATE transactions SET expires_at = now() WHERE description = 'late';
ALTER TABLE transactions ENABLE TRIGGER USER;
"""


def user(email: str, role: Role = Role.STAFF) -> dict[str, Any]:
    return {"email": email, "name": "Ada", "role": role}


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


def prepare_work(database: Database, customer: Any) -> dict[str, Call]:
    """Agents, tasks and to-dos."""
    agents, tasks = AgentService.as_system(database), TaskService.as_system(database)
    batches = TaskBatchService.as_system(database)
    todos, tokens = TodoService.as_system(database), TokenService.as_system(database)
    owner = UserService.as_system(database).create(user("eve@x.example")).id
    talk, _ = ConversationOpener.as_system(database).open(
        NewConversation(customer_id=customer, subject="work", channel="web")
    )
    bot = agents.create({"name": "bot", "kind": "ai", "queues": ["work"]}).id
    heir = agents.create({"name": "heir", "kind": "ai", "queues": ["work"]}).id
    idle, gone = (agents.create({"name": name, "kind": "ai"}).id for name in ("idle", "gone"))
    tokens.issue(NewToken(agent_id=idle, name="t"))
    agents.remove(gone)
    ConversationLifecycle.as_system(database).assign(talk.id, bot)
    queue = TaskQueueService(
        database=database, actor=Actor(ActorKind.AGENT, bot, "bot", Role.AGENT)
    )

    def new(kind: str, **values: Any) -> Any:
        return tasks.submit(NewTask(kind=kind, queue="work", **values))[0].id

    def run(kind: str, **values: Any) -> tuple[Any, str]:
        """A running task and its token."""
        new(kind, priority=0, **values)
        (held,) = queue.claim(lease_seconds=3600)
        return held["id"], str(held["lease_token"])

    parent = run("parent")
    child, below = run("child", parent_id=parent[0]), new("below", parent_id=parent[0])
    run("lost")
    run("spent", max_attempts=1)
    failed = run("failed")
    leases = queue.related(TaskLeaseService)
    leases.fail(*failed, "x", retry=False)
    new("addressed", agent_id=bot)
    new("pending", dedupe_key="k")
    removed, loose = new("removed"), new("loose")
    tasks.remove(removed)
    todo, done = (todos.create({"description": "x", "user_id": owner}).id for _ in range(2))
    todos.remove(done)
    return {
        "agents.create": lambda: agents.create({"name": "new", "kind": "ai", "user_id": owner}),
        "agents.update": lambda: agents.update(bot, {"is_active": False}),
        "agents.deactivate": lambda: agents.deactivate(bot, reassign_to=heir),
        "agents.remove": lambda: agents.remove(idle),
        "agents.restore": lambda: agents.restore(gone),
        "agents.pending_tasks": lambda: agents.pending_tasks(bot),
        "agents.for_worker": lambda: agents.for_worker("bot", ["other"], own=True),
        "batches.create_many": lambda: batches.create_many(
            [
                NewTask(
                    kind="x",
                    queue="work",
                    parent_id=parent[0],
                    dedupe_key=f"b{n}",
                    agent_id=heir,
                    conversation_id=talk.id,
                )
                for n in range(3)
            ]
        ),
        "tasks.submit": lambda: tasks.submit(
            NewTask(kind="x", queue="work", parent_id=parent[0], dedupe_key="l")
        ),
        "tasks.subtasks": lambda: tasks.subtasks(parent[0], Query()),
        "tasks.attempts": lambda: tasks.attempts(parent[0], Query(sort=(Sort("number"),))),
        "tasks.with_subtasks": lambda: tasks.with_subtasks(parent[0]),
        "tasks.update": lambda: tasks.update(loose, {"parent_id": parent[0], "priority": 1}),
        "tasks.remove": lambda: tasks.remove(below),
        "tasks.restore": lambda: tasks.restore(removed),
        "queue.claim": lambda: queue.claim(limit=3),
        "leases.heartbeat": lambda: leases.heartbeat(*child, progress={"a": 1}),
        "leases.complete": lambda: leases.complete(*child, {"a": 1}),
        "leases.fail": lambda: leases.fail(*child, "x"),
        "leases.release": lambda: leases.release(*child),
        "tasks.cancel": lambda: tasks.cancel(parent[0]),
        "tasks.requeue": lambda: tasks.requeue(failed[0]),
        "queue.rescue": TaskQueueService.as_system(database).rescue,
        "queue.stats": TaskQueueService.as_system(database).stats,
        "todos.create": lambda: todos.create({"description": "x", "user_id": owner}),
        "todos.update": lambda: todos.update(todo, {"completed": True}),
        "todos.remove": lambda: todos.remove(todo),
        "todos.restore": lambda: todos.restore(done),
    }


def prepare_talks(database: Database, customer: Any) -> dict[str, Call]:
    """Conversations and their messages."""
    talks = ConversationService.as_system(database)
    lifecycle = ConversationLifecycle.as_system(database)
    crowds = ConversationBatchService.as_system(database)
    messages = MessageService.as_system(database)
    agent = AgentService.as_system(database).create({"name": "desk", "kind": "human"}).id

    opener = ConversationOpener.as_system(database)
    resolver = ConversationResolver.as_system(database)
    opened = NewConversation(customer_id=customer, subject="new", channel="web")

    def new(subject: str, **values: Any) -> Any:
        new = replace(opened, subject=subject, message=NewMessage(body="Hello"), **values)
        return opener.open(new)[0].id

    talk, other, asleep = new("talk", assignee_id=agent), new("other"), new("asleep")
    lifecycle.snooze(asleep, LATER)
    resolved, gone, going = new("resolved"), new("gone"), new("going")
    resolver.resolve(resolved)
    talks.remove(gone)
    about = NewTask(kind="talk", queue="desk", conversation_id=talk)
    held, _ = TaskService.as_system(database).submit(about)
    AgentService.as_system(database).update(agent, {"queues": ["desk"]})
    actor = Actor(ActorKind.AGENT, agent, "desk", Role.AGENT)
    (claimed,) = TaskQueueService(database=database, actor=actor).claim()
    complete = TaskCompletion(id=held.id, lease_token=str(claimed["lease_token"]))
    message = messages.page(talk, Query())[0].items[0]["id"]
    return {
        "conversations.of_customer": lambda: talks.of_customer(customer, Query(), total=True),
        "conversations.whole": lambda: talks.whole(talk),
        "conversations.with_people": lambda: talks.with_people(Query()),
        "conversations.update": lambda: talks.update(talk, {"priority": "urgent"}),
        "conversations.remove": lambda: talks.remove(going),
        "conversations.restore": lambda: talks.restore(gone),
        "crowds.assign": lambda: crowds.assign(
            BatchAssignment(
                filter={"subject__in": ["talk", "other"]},
                agent_id=None,
                reason="x",
                expected_count=2,
            )
        ),
        "crowds.resolve": lambda: crowds.resolve(
            ConversationBatch(filter={"subject": "asleep"}, expected_count=1)
        ),
        "opener.open": lambda: opener.open(
            replace(
                opened,
                message=NewMessage(body="x", external_id="new"),
                task=NewTask(kind="x", queue="work", dedupe_key="m"),
            )
        ),
        "lifecycle.assign": lambda: lifecycle.assign(talk, None, reason="x"),
        "lifecycle.snooze": lambda: lifecycle.snooze(talk, LATER),
        "resolver.resolve": lambda: resolver.resolve(
            talk, Resolution(message=NewMessage(body="Bye"), complete_task=complete)
        ),
        "lifecycle.reopen": lambda: lifecycle.reopen(resolved),
        "lifecycle.close": lambda: lifecycle.close(talk),
        "merger.merge": lambda: ConversationMerger.as_system(database).merge(talk, other),
        "lifecycle.wake_due": lifecycle.wake_due,
        "messages.get": lambda: messages.get(message),
        "messages.page": lambda: messages.page(talk, Query()),
        "messages.post": lambda: messages.post(resolved, NewMessage(body="x", external_id="y")),
    }


def prepare_money(database: Database, customer: Any) -> dict[str, Call]:
    """Accounts and transactions."""
    accounts, transactions = (
        AccountService.as_system(database),
        TransactionService.as_system(database),
    )
    transfers = TransactionLifecycle.as_system(database)
    cash = accounts.open(NewAccount(name="Cash", currency="GBP"))["id"]
    new = NewAccount(customer_id=customer, name="Current", currency="GBP")
    key, empty, frozen = (accounts.open(new)["id"] for _ in range(3))
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
    }


def own_methods(noun: str) -> set[str]:
    """What the service itself lets callers with a role do, as `noun.method`."""
    return {
        f"{noun}.{name}"
        for name, method in vars(SERVICES[noun]).items()
        if hasattr(method, "allowed")
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
]  # fmt: skip

READS = {
    "customers.get", "customers.get_many", "customers.find", "customers.page",
    "customers.read_all", "events.get", "events.page", "events.feed",
    "authenticator.authenticate", "agents.pending_tasks",
    "tasks.subtasks", "tasks.attempts", "tasks.with_subtasks", "queue.stats",
    "conversations.of_customer", "conversations.whole", "conversations.with_people",
    "messages.get", "messages.page", "accounts.of_customer", "accounts.statement",
    "transactions.get", "transactions.get_many", "transactions.page",
}  # fmt: skip

WITHOUT_EVENTS = {"leases.heartbeat"}
"""They write bookkeeping alone."""

# Of each object the last one that was written by units of work after `newest`.
_NEW_EVENTS = """
SELECT DISTINCT ON (object_id) object_type, object_id::text, object_version
FROM events WHERE xid > '{newest}'
ORDER BY object_id, id DESC
"""
_VERSION = "SELECT '{0}', '{1}', version FROM {0} WHERE id = '{1}'"


@dataclass(frozen=True)
class Desk:
    """Rows, and calls that change them; the rows are put back after each call."""

    database: Database
    calls: dict[str, Call]
    rows: Rows


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


def test_no_method_is_forgotten() -> None:
    """What a service offers is failed below, by itself or, once, where it is inherited."""
    every = set().union(*map(own_methods, SERVICES))
    are_get = {"agents.me", "users.me"}  # of the actor
    changes_no_row = {"events.begin_epoch", "erasure.renew_statistics"}
    assert every - set(CALLS) == are_get | changes_no_row
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


@pytest.mark.parametrize("name", [name for name in CALLS if name not in READS])
def test_an_event_has_the_version_that_its_change_left(desk: Desk, name: str) -> None:
    """Whatever the change is made by: the ORM, Core, a mass update, raw SQL, a job."""
    (newest,) = desk.rows.run("SELECT xid::text FROM events ORDER BY xid DESC LIMIT 1")[0]
    desk.calls[name]()
    events = desk.rows.run(_NEW_EVENTS.format(newest=newest))
    assert events or name in WITHOUT_EVENTS
    left = [row for event in events for row in desk.rows.run(_VERSION.format(*event))]
    assert events == left
    desk.rows.restore()
