"""A small believable data set; loading it again changes nothing."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.db import Query, retry
from app.domain.accounts import NewAccount
from app.domain.messages import ExternalIdReused
from app.domain.money import Money
from app.domain.transactions import Leg, NewTransaction
from app.services.accounts import AccountService
from app.services.agents import AgentService
from app.services.conversation_lifecycle import ConversationLifecycle
from app.services.customers import CustomerService
from app.services.faqs import FaqService
from app.services.kit.base import Service
from app.services.kit.permissions import SYSTEM_ONLY, allowed
from app.services.products import ProductService
from app.services.todos import TodoService
from app.services.transactions import TransactionService
from app.services.users import UserService

if TYPE_CHECKING:
    from uuid import UUID

    from app.services.kit.reads import Reads

ADMIN = "ada@demo.example"

_USERS = [
    (ADMIN, "Ada Okafor", "admin"),
    ("stan@demo.example", "Stan Lindqvist", "staff"),
    ("vera@demo.example", "Vera Castellanos", "viewer"),
]
_CUSTOMERS = [
    ("DEMO-001", "Harbour Lights Bakery", "orders@harbourlights.example", "+44 20 7946 0018"),
    ("DEMO-002", "Marguerite Dubois", "marguerite@dubois.example", "+33 1 99 00 12 34"),
    ("DEMO-003", "Tanaka Instruments KK", "keiri@tanaka.example", None),
    ("DEMO-004", "Oluwaseun Adeyemi", "seun@adeyemi.example", "+44 113 496 0712"),
    ("DEMO-005", "Fjord & Fell Outfitters", "hello@fjordfell.example", "+47 22 00 01 02"),
    ("DEMO-006", "Priya Raghunathan", None, "+44 131 496 0456"),
    ("DEMO-007", "Kowalski i Synowie", "biuro@kowalski.example", None),
    ("DEMO-008", "Esperanza Núñez", "esperanza@nunez.example", "+34 910 00 05 06"),
]

_AGENTS = [
    ("Triage bot", "ai", ["triage", "replies"], None),
    ("Stan Lindqvist", "human", ["back-office"], "stan@demo.example"),
]
# Customer, channel, priority, subject, the customer's message, and the kind and queue of its task.
_CONVERSATIONS = [
    (
        "DEMO-001",
        "email",
        "high",
        "Charged twice for October",
        "Our statement shows the October fee twice. Could you give one of them back?",
        ("check-fee", "back-office"),
    ),
    (
        "DEMO-002",
        "web",
        "normal",
        "Where do I change my address?",
        "I have moved to Lyon and can't find where to tell you.",
        ("answer", "replies"),
    ),
    (
        "DEMO-004",
        "chat",
        "urgent",
        "Card payment refused",
        "I am at the till and my card is refused. There is money on the account!",
        ("classify", "triage"),
    ),
    (
        "DEMO-008",
        "phone",
        "low",
        "Paper statements",
        "She would like her statements on paper from January on.",
        None,
    ),
]
# Customer, the account's name, its currency, and what has happened: kind, amount, description.
_ACCOUNTS = [
    (
        "DEMO-001",
        "Business",
        "GBP",
        [
            ("deposit", 1_250_000, "Takings"),
            ("fee", 1_500, "October fee"),
            ("fee", 1_500, "October fee"),
        ],
    ),
    ("DEMO-002", "Current", "EUR", [("deposit", 84_250, "Salary")]),
    ("DEMO-003", "Business", "JPY", [("deposit", 3_000_000, "Opening")]),
    ("DEMO-004", "Current", "GBP", [("deposit", 31_999, "Salary")]),
]
# SKU, name, description, price in minor units, currency.
_PRODUCTS = [
    ("DEMO-CUR", "Current account", "For every day, with a card and no monthly fee.", 0, "GBP"),
    (
        "DEMO-BIZ",
        "Business account",
        "With invoices, several users and a monthly fee.",
        1_500,
        "GBP",
    ),
    ("DEMO-TRV", "Travel card", "Pays abroad in any currency without extra fees.", 950, "EUR"),
]
# Question, answer, the SKU of what it is about, tags, and whether it is published.
_FAQS = [
    (
        "How do I get a fee refunded?",
        "Write to us within 60 days. A fee that was charged in error is refunded the same day.",
        "DEMO-BIZ",
        ["fees"],
        True,
    ),
    (
        "Why was my card refused?",
        "Mostly the PIN was mistyped three times or the limit was reached. The app says which.",
        "DEMO-CUR",
        ["cards"],
        True,
    ),
    (
        "What does the travel card cost abroad?",
        "Nothing on top of the rate. Cash machines may charge a fee of their own, and say so.",
        "DEMO-TRV",
        ["cards", "fees"],
        True,
    ),
    (
        "How do I change my address?",
        "In the app under Profile, or by a signed letter. We confirm it to both addresses.",
        None,
        ["profile"],
        True,
    ),
    (
        "Can I have my statements on paper?",
        "Yes, from the first of the next month on. To be agreed: what each of them costs.",
        None,
        ["statements"],
        False,
    ),
]
_REMINDER = "Call Fjord & Fell about their new signatories"


@dataclass(frozen=True, kw_only=True)
class DemoService(Service):
    @allowed(SYSTEM_ONLY)
    @retry
    def load(self) -> dict[str, int]:
        """All of it in one unit of work; returns how much of what was new."""
        with self.database.session():
            return {
                "users": self._load_users(),
                "customers": self._load_customers(),
                "accounts": self._load_accounts(),
                "agents": self._load_agents(),
                "conversations": self._load_conversations(),
                "to-dos": self._load_todos(),
                "products": self._load_products(),
                "FAQs": self._load_faqs(),
            }

    def _load_users(self) -> int:
        users = self.related(UserService)
        new = [row for row in _USERS if users.find(email=row[0]) is None]
        for email, name, role in new:
            users.create({"email": email, "name": name, "role": role})
        return len(new)

    def _load_customers(self) -> int:
        customers = self.related(CustomerService)
        new = [row for row in _CUSTOMERS if customers.find(reference=row[0]) is None]
        for reference, name, email, phone in new:
            values = {"reference": reference, "name": name, "email": email, "phone": phone}
            customers.create({**values, "attributes": {"source": "demo"}})
        return len(new)

    def _load_accounts(self) -> int:
        """With the firm's own on the other side, one per currency."""
        opened = 0
        for reference, name, currency, history in _ACCOUNTS:
            customer = self.related(CustomerService).find(reference=reference)
            if customer is None:
                continue
            firms, _ = self._account(f"Cash {currency}", currency, None)
            account, new = self._account(name, currency, customer.id)
            opened += new
            for kind, minor, description in history if new else []:
                amount = Money(-minor if kind == "fee" else minor, currency)
                legs = [Leg(account, amount), Leg(firms, -amount)]
                move = NewTransaction(kind=kind, description=description, entries=legs)
                self.related(TransactionService).create(move)
        return opened

    def _account(self, name: str, currency: str, customer_id: UUID | None) -> tuple[UUID, bool]:
        accounts = self.related(AccountService)
        asked: dict[str, Any] = {"name": name, "currency": currency}
        whose = (
            {"customer_id__is_null": True} if customer_id is None else {"customer_id": customer_id}
        )
        found = accounts.page(Query(filters={**asked, **whose}, limit=1))[0].items
        if found:
            return found[0]["id"], False
        new = NewAccount(name=name, currency=currency, customer_id=customer_id)
        return accounts.open(new)["id"], True

    def _load_agents(self) -> int:
        agents = self.related(AgentService)
        new = [row for row in _AGENTS if agents.find(name=row[0]) is None]
        for name, kind, queues, email in new:
            user = None if email is None else self.related(UserService).find(email=email)
            user_id = None if user is None else user.id
            agents.create({"name": name, "kind": kind, "queues": queues, "user_id": user_id})
        return len(new)

    def _load_conversations(self) -> int:
        """A message is known by its external id, so none of them is opened twice."""
        opened = 0
        for number, (reference, channel, priority, subject, body, task) in enumerate(
            _CONVERSATIONS, 1
        ):
            customer = self.related(CustomerService).find(reference=reference)
            if customer is None:
                continue
            # One that was deleted, or given to another customer, is not opened again.
            with suppress(ExternalIdReused), self.database.savepoint():
                _, new = self.related(ConversationLifecycle).open(
                    {
                        "customer_id": customer.id,
                        "channel": channel,
                        "priority": priority,
                        "subject": subject,
                        "tags": ["demo"],
                    },
                    message={"body": body, "external_id": f"demo-{number}"},
                    task=None if task is None else {"kind": task[0], "queue": task[1]},
                )
                opened += new
        return opened

    def _load_todos(self) -> int:
        todos, owner = self.related(TodoService), self.related(UserService).find(email=ADMIN)
        if owner is None or _has_one(todos, description=_REMINDER, user_id=owner.id):
            return 0
        todos.create({"description": _REMINDER, "user_id": owner.id})
        return 1

    def _load_products(self) -> int:
        products = self.related(ProductService)
        new = [row for row in _PRODUCTS if products.find(sku=row[0]) is None]
        for sku, name, description, price, currency in new:
            values = {"sku": sku, "name": name, "description": description}
            products.create({**values, "price": price, "currency": currency})
        return len(new)

    def _load_faqs(self) -> int:
        faqs, products = self.related(FaqService), self.related(ProductService)
        new = [row for row in _FAQS if not _has_one(faqs, question=row[0])]
        for question, answer, sku, tags, is_published in new:
            product = None if sku is None else products.find(sku=sku)
            values = {"question": question, "answer": answer, "tags": tags}
            product_id = None if product is None else product.id
            faqs.create({**values, "product_id": product_id, "is_published": is_published})
        return len(new)


def _has_one(service: Reads[Any], **filters: Any) -> bool:
    """Also where several rows fit: neither questions nor reminders are unique."""
    return bool(service.page(Query(filters=filters, limit=1))[0].items)
