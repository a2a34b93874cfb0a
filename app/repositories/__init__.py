"""The only layer that builds SQL."""

from app.repositories.base import Repository
from app.repositories.customers import CustomerRepository
from app.repositories.events import EventRepository, NewEvent
from app.repositories.pages import Page, Query, Sort, Total
from app.repositories.reading import Reader, Record
from app.repositories.tokens import TokenRepository
from app.repositories.users import UserRepository

__all__ = [
    "CustomerRepository",
    "EventRepository",
    "NewEvent",
    "Page",
    "Query",
    "Reader",
    "Record",
    "Repository",
    "Sort",
    "TokenRepository",
    "Total",
    "UserRepository",
]
