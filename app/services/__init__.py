"""Use cases. They open the unit of work and pass its handle down. They know no HTTP."""

from app.services.authentication import Authenticator, Identity
from app.services.base import ResourceService, Service
from app.services.customers import CustomerService
from app.services.events import EventService
from app.services.tokens import TokenService
from app.services.users import UserService

__all__ = [
    "Authenticator",
    "CustomerService",
    "EventService",
    "Identity",
    "ResourceService",
    "Service",
    "TokenService",
    "UserService",
]
