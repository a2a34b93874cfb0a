"""Tables: columns, constraints, relationships. No queries."""

from app.models.agents import Agent
from app.models.base import Base
from app.models.conversations import Conversation
from app.models.customers import Customer
from app.models.events import Event, PersonalValues
from app.models.messages import Message
from app.models.task_attempts import TaskAttempt
from app.models.tasks import Task
from app.models.todos import Todo
from app.models.tokens import Token
from app.models.users import User

__all__ = [
    "Agent",
    "Base",
    "Conversation",
    "Customer",
    "Event",
    "Message",
    "PersonalValues",
    "Task",
    "TaskAttempt",
    "Todo",
    "Token",
    "User",
]
