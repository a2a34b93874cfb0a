"""Tables: columns, constraints, relationships. No queries."""

from importlib import import_module
from pkgutil import iter_modules

from app.db import Base
from app.models.accounts import Account
from app.models.agents import Agent
from app.models.conversations import Conversation
from app.models.customers import Customer
from app.models.events import Event, PersonalValues
from app.models.faqs import Faq
from app.models.idempotency_keys import IdempotencyKey
from app.models.ledger import Entry, Hold
from app.models.messages import Message
from app.models.products import Product
from app.models.rate_limits import RateLimit
from app.models.search import SearchWord
from app.models.task_attempts import TaskAttempt
from app.models.tasks import Task
from app.models.todos import Todo
from app.models.tokens import Token
from app.models.transactions import Transaction
from app.models.users import User

__all__ = [
    "Account",
    "Agent",
    "Base",
    "Conversation",
    "Customer",
    "Entry",
    "Event",
    "Faq",
    "Hold",
    "IdempotencyKey",
    "Message",
    "PersonalValues",
    "Product",
    "RateLimit",
    "SearchWord",
    "Task",
    "TaskAttempt",
    "Todo",
    "Token",
    "Transaction",
    "User",
]

# Alembic and the grants need the tables of all modules, also of those that nothing above names.
for _found in iter_modules(__path__):
    import_module(f"{__name__}.{_found.name}")
