"""Customers, and the search in them."""

from __future__ import annotations

from app.db import Repository, filters_on, sorts_on
from app.models import Customer
from app.models.customers import SEARCHED


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
