"""What a program does with the client that was generated for it: a desk's day, in short."""

from __future__ import annotations

import sys
from uuid import uuid4

from caseload_client import AuthenticatedClient
from caseload_client.api.accounts import accounts_create, customers_accounts_list
from caseload_client.api.customers import customers_create, customers_read, customers_update
from caseload_client.api.tasks import tasks_claim, tasks_create
from caseload_client.api.transactions import transactions_create
from caseload_client.models import (
    Claim,
    Currency,
    CustomerPatch,
    Entry,
    Money,
    NewAccount,
    NewCustomer,
    NewTask,
    NewTransaction,
    Problem,
)


def main(address: str, token: str) -> None:
    with AuthenticatedClient(address, token) as client:
        new = NewCustomer(reference=uuid4().hex, name="Ann Harbour")
        customer = customers_create.sync(client=client, body=new)
        assert customers_read.sync(customer.id, client=client) == customer
        again = customers_create.sync(client=client, body=new)
        assert isinstance(again, Problem), again
        assert again.type_.endswith("/problems/already-exists")
        patch = CustomerPatch(email="ann@harbour.example")
        changed = customers_update.sync(customer.id, client=client, body=patch)
        assert (changed.version, changed.email) == (2, "ann@harbour.example")
        move_money(client, customer.id)
        task = tasks_create.sync(client=client, body=NewTask(kind="greet", queue="mail"))
        assert task.status == "pending"
        refused = tasks_claim.sync(client=client, body=Claim())
        assert refused.type_.endswith("/problems/forbidden")  # to a user without an agent


def move_money(client: AuthenticatedClient, customer_id: object) -> None:
    pounds = Currency.GBP
    own = NewAccount(name="Till", currency=pounds, overdraft_limit=None)
    till = accounts_create.sync(client=client, body=own)
    theirs = NewAccount(name="Main", currency=pounds, customer_id=customer_id)
    account = accounts_create.sync(client=client, body=theirs)
    entries = [
        Entry(till.id, Money("-12.34", pounds)),
        Entry(account.id, Money("12.34", pounds)),
    ]
    made = transactions_create.sync(client=client, body=NewTransaction(entries))
    assert made.status == "posted", made
    page = customers_accounts_list.sync(customer_id, client=client, limit=5)
    assert [found.balance.amount for found in page.items] == ["12.34"]


if __name__ == "__main__":
    main(*sys.argv[1:])
