"""A small believable data set; loading it again changes nothing."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.db import Query, retry
from app.domain.accounts import NewAccount
from app.domain.conversations import NewConversation
from app.domain.messages import ExternalIdReused
from app.domain.transactions import Leg, NewTransaction
from app.services import demo_data
from app.services.accounts import AccountService
from app.services.agents import AgentService
from app.services.conversation_opening import ConversationOpener
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


@dataclass(frozen=True, kw_only=True)
class DemoService(Service):
    @allowed(SYSTEM_ONLY)
    @retry
    def load(self) -> dict[str, int]:
        """Load all of it in one unit of work; returns how many rows of each kind were new."""
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
        new = [row for row in demo_data.USERS if users.find(email=row[0]) is None]
        for email, name, role in new:
            users.create({"email": email, "name": name, "role": role})
        return len(new)

    def _load_customers(self) -> int:
        customers = self.related(CustomerService)
        new = [row for row in demo_data.CUSTOMERS if customers.find(reference=row[0]) is None]
        for reference, name, email, phone in new:
            values = {"reference": reference, "name": name, "email": email, "phone": phone}
            customers.create({**values, "attributes": {"source": "demo"}})
        return len(new)

    def _load_accounts(self) -> int:
        """Customers' accounts, and one of the firm's own per currency for the other entries."""
        opened = 0
        for reference, name, currency, history in demo_data.ACCOUNTS:
            if (customer_id := self._customer_id(reference)) is None:
                continue
            firms, _ = self._account(f"Cash {currency}", currency, None)
            account, new = self._account(name, currency, customer_id)
            opened += new
            for kind, amount, description in history if new else []:
                legs = [Leg(account, amount), Leg(firms, -amount)]
                move = NewTransaction(kind=kind, description=description, entries=legs)
                self.related(TransactionService).create(move)
        return opened

    def _account(self, name: str, currency: str, customer_id: UUID | None) -> tuple[UUID, bool]:
        """The id of the account, and whether it is new."""
        accounts = self.related(AccountService)
        owner = (
            {"customer_id__is_null": True} if customer_id is None else {"customer_id": customer_id}
        )
        filters = {"name": name, "currency": currency, **owner}
        found = accounts.page(Query(filters=filters, limit=1))[0].items
        if found:
            return found[0]["id"], False
        new = NewAccount(name=name, currency=currency, customer_id=customer_id)
        return accounts.open(new)["id"], True

    def _load_agents(self) -> int:
        agents = self.related(AgentService)
        new = [row for row in demo_data.AGENTS if agents.find(name=row[0]) is None]
        for name, kind, queues, email in new:
            user = None if email is None else self.related(UserService).find(email=email)
            user_id = None if user is None else user.id
            agents.create({"name": name, "kind": kind, "queues": queues, "user_id": user_id})
        return len(new)

    def _load_conversations(self) -> int:
        """The external id of its message keeps a conversation from being opened twice."""
        opened = 0
        for reference, channel, priority, subject, message, task in demo_data.CONVERSATIONS:
            if (customer_id := self._customer_id(reference)) is None:
                continue
            conversation = NewConversation(
                customer_id=customer_id,
                channel=channel,
                priority=priority,
                subject=subject,
                tags=["demo"],
                message=message,
                task=task,
            )
            # One that was deleted, or given to another customer, is not opened again.
            with suppress(ExternalIdReused), self.database.savepoint():
                opened += self.related(ConversationOpener).open(conversation)[1]
        return opened

    def _load_todos(self) -> int:
        todos = self.related(TodoService)
        owner = self.related(UserService).find(email=demo_data.ADMIN)
        if owner is None or _has_one(todos, description=demo_data.REMINDER, user_id=owner.id):
            return 0
        todos.create({"description": demo_data.REMINDER, "user_id": owner.id})
        return 1

    def _load_products(self) -> int:
        products = self.related(ProductService)
        new = [row for row in demo_data.PRODUCTS if products.find(sku=row[0]) is None]
        for sku, name, description, price in new:
            values = {"sku": sku, "name": name, "description": description}
            products.create({**values, "price": price.minor, "currency": price.currency})
        return len(new)

    def _load_faqs(self) -> int:
        faqs, products = self.related(FaqService), self.related(ProductService)
        new = [row for row in demo_data.FAQS if not _has_one(faqs, question=row[0])]
        for question, answer, sku, tags, is_published in new:
            product = None if sku is None else products.find(sku=sku)
            values = {"question": question, "answer": answer, "tags": tags}
            product_id = None if product is None else product.id
            faqs.create({**values, "product_id": product_id, "is_published": is_published})
        return len(new)

    def _customer_id(self, reference: str) -> UUID | None:
        customer = self.related(CustomerService).find(reference=reference)
        return None if customer is None else customer.id


def _has_one(service: Reads[Any], **filters: object) -> bool:
    """Whether a live row fits. Questions and reminders are not unique, so several may."""
    return bool(service.page(Query(filters=filters, limit=1))[0].items)
