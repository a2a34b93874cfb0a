from __future__ import annotations

from dataclasses import dataclass

from app.models import Customer
from app.repositories import CustomerRepository
from app.services.base import ResourceService


@dataclass(frozen=True, kw_only=True)
class CustomerService(ResourceService[Customer]):
    repository: CustomerRepository = CustomerRepository()
