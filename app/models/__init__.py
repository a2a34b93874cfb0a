"""Tables: columns, constraints, relationships. No queries."""

from app.models.base import Base
from app.models.customers import Customer
from app.models.events import Event, PersonalValues
from app.models.tokens import Token
from app.models.users import User

__all__ = ["Base", "Customer", "Event", "PersonalValues", "Token", "User"]
