"""A desk with something of everything: an own, another's and a deleted one of each resource."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from app import create_app
from app.db import Query
from app.domain.accounts import NewAccount
from app.domain.actors import Actor, ActorKind, Role
from app.domain.conversations import NewConversation
from app.domain.messages import NewMessage
from app.domain.money import Money
from app.domain.rules import Rules
from app.domain.tasks import NewTask
from app.domain.tokens import NewToken
from app.domain.transactions import Leg, NewTransaction
from app.services import (
    AccountService,
    AgentService,
    ConversationLifecycle,
    ConversationOpener,
    ConversationResolver,
    ConversationService,
    CustomerService,
    EventService,
    FaqService,
    MessageService,
    ProductService,
    TaskLeaseService,
    TaskQueueService,
    TaskService,
    TodoService,
    TokenService,
    TransactionService,
    UserService,
)
from app.settings import Settings
from tests.client import Client
from tests.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flask import Flask

    from app.db import Database

Ids = dict[str, Any]

LATER = datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Scene:
    """`ids` by name, such as `customers_own`; `tokens` by role."""

    app: Flask
    rows: Rows
    ids: Mapping[str, str]
    tokens: Mapping[str, str]

    @property
    def database(self) -> Database:
        database: Database = self.app.extensions["database"]
        return database

    def client(self, role: str) -> Client:
        return Client(self.app, self.tokens.get(role))


@contextmanager
def scene_on(url: str) -> Iterator[Scene]:
    """Where nobody else works; tokens are remembered for as long as it lasts."""
    settings = Settings(
        database_url=url, given_secret_key="k" * 32, token_cache=3600, wrong_token_rate=0
    )
    app = create_app(settings)
    database: Database = app.extensions["database"]
    ids: Ids = {"missing": "01a00000-0000-7000-8000-000000000000"}
    tokens = people(database, ids)
    things(database, ids)
    talks(database, ids)
    work(database, ids)
    money(database, ids)
    ids["events_own"], ids["events_other"] = (
        event["id"] for event in EventService.as_system(database).page(Query(limit=2))[0].items
    )
    rows = Rows(url)
    yield Scene(app, rows, {name: str(key) for name, key in ids.items()}, tokens)
    rows.close()
    database.dispose()


def people(database: Database, ids: Ids) -> dict[str, str]:
    """Users and agents; returns their tokens."""
    users, agents = UserService.as_system(database), AgentService.as_system(database)
    tokens = TokenService.as_system(database)
    secrets: dict[str, str] = {}

    def employ(name: str, role: Role) -> Any:
        values = {"email": f"{name}@x.example", "name": name.title(), "role": role}
        user = users.create(values)
        token, secrets[name] = tokens.issue(NewToken(user_id=user.id, name="t"))
        return user.id, token.id

    ids["users_own"], ids["tokens_own"] = employ("admin", Role.ADMIN)
    ids["users_other"], ids["tokens_other"] = employ("ada", Role.STAFF)
    employ("staff", Role.STAFF)
    employ("viewer", Role.VIEWER)
    ids["users_deleted"] = employ("gone", Role.STAFF)[0]
    users.remove(ids["users_deleted"])
    ids["tokens_deleted"] = employ("revoked", Role.ADMIN)[1]
    tokens.remove(ids["tokens_deleted"])
    users.update(employ("deactivated", Role.ADMIN)[0], {"is_active": False})

    def hire(name: str, **values: Any) -> Any:
        return agents.create({"name": name, "kind": "ai", "queues": ["work"], **values}).id

    ids["agents_own"] = hire("mate", user_id=ids["users_own"], queues=["claims"])
    ids["agents_other"], ids["agents_deleted"] = hire("idle"), hire("gone")
    agents.remove(ids["agents_deleted"])
    tokens.issue(NewToken(agent_id=ids["agents_other"], name="t"))
    ids["agents_bot"] = hire("bot")
    secrets["agent"] = tokens.issue(NewToken(agent_id=ids["agents_bot"], name="t"))[1]
    return secrets


def things(database: Database, ids: Ids) -> None:
    """Customers, to-dos, products and FAQs."""
    new: tuple[tuple[str, Any, str, dict[str, Any]], ...] = (
        ("customers", CustomerService, "reference", {"name": "Ann"}),
        ("todos", TodoService, "description", {"user_id": ids["users_own"]}),
        ("products", ProductService, "sku", {"name": "Card", "price": 5, "currency": "GBP"}),
        ("faqs", FaqService, "question", {"answer": "Yes."}),
    )
    for name, kind, distinct, values in new:
        service = kind.as_system(database)
        for which in ("own", "other", "deleted"):
            ids[f"{name}_{which}"] = service.create({**values, distinct: which}).id
        service.remove(ids[f"{name}_deleted"])


def talks(database: Database, ids: Ids) -> None:
    """Conversations with a message each."""
    lifecycle = ConversationLifecycle.as_system(database)
    messages = MessageService.as_system(database)
    bob = {"reference": "stranger", "name": "Bob"}
    stranger = CustomerService.as_system(database).create(bob).id
    for which in ("own", "other", "deleted", "twin", "resolved", "asleep"):
        customer = ids["customers_own"] if which in ("own", "twin") else stranger
        hello = NewMessage(body="Hello")
        talk = NewConversation(customer_id=customer, subject=which, channel="web", message=hello)
        key = ConversationOpener.as_system(database).open(talk)[0].id
        ids[f"conversations_{which}"] = key
        ids[f"messages_{which}"] = messages.page(key, Query())[0].items[0]["id"]
    ConversationService.as_system(database).remove(ids["conversations_deleted"])
    ConversationResolver.as_system(database).resolve(ids["conversations_resolved"])
    lifecycle.snooze(ids["conversations_asleep"], LATER)
    lifecycle.assign(ids["conversations_own"], ids["agents_bot"])


def work(database: Database, ids: Ids) -> None:
    """Tasks; the agent runs its own one, which is about its own conversation."""
    tasks = TaskService.as_system(database)
    bot = Actor(ActorKind.AGENT, ids["agents_bot"], "bot", Role.AGENT)
    queue = TaskQueueService(database=database, actor=bot)

    def new(kind: str, queue: str = "elsewhere", **values: Any) -> Any:
        return tasks.submit(NewTask(kind=kind, queue=queue, **values))[0].id

    failed = new("failed", "work")
    (held,) = queue.claim()
    leases = queue.related(TaskLeaseService)
    leases.fail(failed, str(held["lease_token"]), "x", retry=False)
    ids["tasks_failed"] = failed
    ids["tasks_own"] = new("own", "work", conversation_id=ids["conversations_own"])
    (held,) = queue.claim(lease_seconds=3600)
    ids["lease"] = held["lease_token"]
    ids["tasks_other"], ids["tasks_deleted"] = new("other"), new("deleted")
    tasks.remove(ids["tasks_deleted"])
    ids["tasks_parent"] = new("parent")
    new("child", parent_id=ids["tasks_parent"])
    new("addressed", "work", agent_id=ids["agents_bot"], run_after=LATER)
    new("claimable", "claims")


def money(database: Database, ids: Ids) -> None:
    """Accounts, the other one being the firm's, and transactions."""
    accounts = AccountService.as_system(database)
    moves = TransactionService.as_system(database)
    own = NewAccount(customer_id=ids["customers_own"], name="Current", currency="GBP")
    ids["accounts_other"] = accounts.open(NewAccount(name="Cash", currency="GBP"))["id"]
    for which in ("own", "empty", "frozen"):
        ids[f"accounts_{which}"] = accounts.open(own)["id"]
    accounts.freeze(ids["accounts_frozen"])
    legs = [
        Leg(ids["accounts_other"], Money(-500, "GBP")),
        Leg(ids["accounts_own"], Money(500, "GBP")),
    ]
    ids["transactions_own"] = moves.create(NewTransaction(entries=legs))[0]["id"]
    ids["transactions_other"] = moves.create(NewTransaction(entries=legs, pending=True))[0]["id"]
    creator = Actor(ActorKind.USER, ids["users_other"], "ada", Role.ADMIN)
    strict = Rules(approval_threshold=Decimal(0))
    moves = TransactionService(database=database, rules=strict, actor=creator)
    ids["transactions_waiting"] = moves.create(NewTransaction(entries=legs))[0]["id"]
