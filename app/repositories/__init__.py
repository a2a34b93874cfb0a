"""Repositories: the only layer that builds SQL."""

from app.repositories.account_entries import EntryRepository
from app.repositories.accounts import AccountRepository
from app.repositories.agents import AgentRepository
from app.repositories.conversations import ConversationRepository
from app.repositories.customer_erasure import Erasure
from app.repositories.customer_traces import CustomerTraces
from app.repositories.customers import CustomerRepository
from app.repositories.events import EventRepository, NewEvent
from app.repositories.faqs import FaqRepository
from app.repositories.idempotency_keys import IdempotencyKeyRepository
from app.repositories.ledger import Ledger
from app.repositories.messages import MessageRepository
from app.repositories.planner_statistics import PlannerStatistics
from app.repositories.products import ProductRepository
from app.repositories.rate_limits import RateLimitRepository
from app.repositories.task_queue import TaskQueue
from app.repositories.tasks import AttemptRepository, TaskRepository
from app.repositories.todos import TodoRepository
from app.repositories.tokens import TokenRepository
from app.repositories.transactions import TransactionRepository
from app.repositories.users import UserRepository

__all__ = [
    "AccountRepository",
    "AgentRepository",
    "AttemptRepository",
    "ConversationRepository",
    "CustomerRepository",
    "CustomerTraces",
    "EntryRepository",
    "Erasure",
    "EventRepository",
    "FaqRepository",
    "IdempotencyKeyRepository",
    "Ledger",
    "MessageRepository",
    "NewEvent",
    "PlannerStatistics",
    "ProductRepository",
    "RateLimitRepository",
    "TaskQueue",
    "TaskRepository",
    "TodoRepository",
    "TokenRepository",
    "TransactionRepository",
    "UserRepository",
]
