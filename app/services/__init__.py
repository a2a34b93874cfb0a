"""Use cases. They open the unit of work and pass its handle down. They know no HTTP."""

from app.services.accounts import AccountService
from app.services.agents import AgentService
from app.services.authentication import Authenticator
from app.services.conversation_batches import ConversationBatchService
from app.services.conversation_lifecycle import ConversationLifecycle
from app.services.conversation_merging import ConversationMerger
from app.services.conversation_opening import ConversationOpener
from app.services.conversation_resolving import ConversationResolver
from app.services.conversations import ConversationService
from app.services.customer_erasure import ErasureService
from app.services.customers import CustomerService
from app.services.events import EventService
from app.services.faqs import FaqService
from app.services.kit.base import Service
from app.services.kit.bulk import BulkAdds, BulkService
from app.services.kit.creates import Creates
from app.services.kit.deletes import Deletes, Restores
from app.services.kit.idempotency import Answer, IdempotencyService
from app.services.kit.identity import Identity
from app.services.kit.rate_limits import RateLimiter
from app.services.kit.reads import Reads
from app.services.kit.resources import ResourceService
from app.services.kit.updates import Updates
from app.services.messages import MessageService
from app.services.products import ProductService
from app.services.task_batches import TaskBatchService
from app.services.task_leases import TaskLeaseService
from app.services.task_queue import TaskQueueService
from app.services.tasks import TaskService
from app.services.todos import TodoService
from app.services.tokens import TokenService
from app.services.transaction_lifecycle import TransactionLifecycle
from app.services.transactions import TransactionService
from app.services.users import UserService

__all__ = [
    "AccountService",
    "AgentService",
    "Answer",
    "Authenticator",
    "BulkAdds",
    "BulkService",
    "ConversationBatchService",
    "ConversationLifecycle",
    "ConversationMerger",
    "ConversationOpener",
    "ConversationResolver",
    "ConversationService",
    "Creates",
    "CustomerService",
    "Deletes",
    "ErasureService",
    "EventService",
    "FaqService",
    "IdempotencyService",
    "Identity",
    "MessageService",
    "ProductService",
    "RateLimiter",
    "Reads",
    "ResourceService",
    "Restores",
    "Service",
    "TaskBatchService",
    "TaskLeaseService",
    "TaskQueueService",
    "TaskService",
    "TodoService",
    "TokenService",
    "TransactionLifecycle",
    "TransactionService",
    "Updates",
    "UserService",
]
