from __future__ import annotations

from app.models import Customer
from app.models.customers import SEARCHED
from app.repositories.base import Repository
from app.repositories.criteria import filters_on
from app.repositories.pages import sorts_on


class CustomerRepository(Repository[Customer]):
    model = Customer
    filters = filters_on(
        Customer.reference,
        Customer.name,
        Customer.email,
        Customer.phone,
        Customer.created_at,
        Customer.updated_at,
        fold=("email",),
    )
    sorts = sorts_on(
        Customer.created_at,
        Customer.updated_at,
        Customer.reference,
        Customer.name,
        Customer.email,
    )
    searched = SEARCHED
