"""What a program does with the client that was generated for it: a desk's day, in short.

    python generated_client.py ADDRESS TOKEN

The token is an admin's; `caseload_client` is where Python finds it.
"""

from __future__ import annotations

import sys
from uuid import uuid4

from caseload_client import AuthenticatedClient
from caseload_client.api.accounts import accounts_create, customers_accounts_list
from caseload_client.api.agents import agents_create
from caseload_client.api.conversations import conversations_create
from caseload_client.api.customers import (
    customers_bulk,
    customers_create,
    customers_list,
    customers_read,
    customers_update,
)
from caseload_client.api.messages import (
    conversations_messages_create,
    conversations_messages_list,
)
from caseload_client.api.tasks import tasks_claim, tasks_complete, tasks_create, tasks_read
from caseload_client.api.tokens import tokens_create
from caseload_client.api.transactions import transactions_create
from caseload_client.models import (
    Claim,
    Completion,
    Conversation,
    Currency,
    Customer,
    CustomerPatch,
    CustomersListSortItem,
    Entry,
    Money,
    NewAccount,
    NewAgent,
    NewAgentKind,
    NewConversation,
    NewConversationChannel,
    NewCustomer,
    NewCustomerItems,
    NewMessage,
    NewMessageDirection,
    NewTask,
    NewToken,
    NewTransaction,
    Problem,
    TaskStatus,
)


def main(address: str, token: str) -> None:
    with AuthenticatedClient(address, token) as admin:
        customer = keep_customer(admin)
        conversation = open_conversation(admin, customer)
        with AuthenticatedClient(address, hire(admin)) as agent:
            work(admin, agent, conversation)
        read_by_page(admin)
        move_money(admin, customer)
        be_refused(admin, customer)


def keep_customer(admin: AuthenticatedClient) -> Customer:
    new = NewCustomer(reference=uuid4().hex, name="Ann Harbour")
    customer = customers_create.sync(client=admin, body=new)
    assert isinstance(customer, Customer), customer
    assert customers_read.sync(customer.id, client=admin) == customer
    patch = CustomerPatch(email="ann@harbour.example")
    changed = customers_update.sync(customer.id, client=admin, body=patch)
    assert (changed.version, changed.email) == (2, "ann@harbour.example")
    return changed


def open_conversation(admin: AuthenticatedClient, customer: Customer) -> Conversation:
    new = NewConversation(customer.id, "A fee", NewConversationChannel.WEB)
    conversation = conversations_create.sync(client=admin, body=new)
    assert (conversation.customer_id, conversation.status) == (customer.id, "open")
    return conversation


def hire(admin: AuthenticatedClient) -> str:
    """The token of a new agent, made with the admin's."""
    new = NewAgent(name=uuid4().hex, kind=NewAgentKind.AI, queues=["mail"])
    agent = agents_create.sync(client=admin, body=new)
    issued = tokens_create.sync(client=admin, body=NewToken("the client's", agent_id=agent.id))
    token: str = issued.token
    return token


def work(
    admin: AuthenticatedClient, agent: AuthenticatedClient, conversation: Conversation
) -> None:
    new = NewTask(kind="greet", queue="mail", conversation_id=conversation.id)
    task = tasks_create.sync(client=admin, body=new)
    (claimed,) = tasks_claim.sync(client=agent, body=Claim(limit=5)).items
    assert (claimed.id, claimed.status) == (task.id, TaskStatus.RUNNING)
    message = NewMessage(NewMessageDirection.OUTBOUND, "Good morning, Ann.")
    conversations_messages_create.sync(conversation.id, client=agent, body=message)
    completion = Completion(claimed.lease_token, {"greeted": True})
    assert tasks_complete.sync(task.id, client=agent, body=completion).status == "completed"
    assert tasks_read.sync(task.id, client=admin).output == {"greeted": True}
    (reported,) = conversations_messages_list.sync(conversation.id, client=admin).items
    assert (reported.body, reported.seq) == ("Good morning, Ann.", 1)
    assert tasks_claim.sync(client=agent, body=Claim()).items == []


def read_by_page(admin: AuthenticatedClient) -> None:
    new = [NewCustomer(reference=f"page-{number}", name="Bob") for number in range(5)]
    made = customers_bulk.sync(client=admin, body=NewCustomerItems(new))
    asked = {"name": "Bob", "sort": [CustomersListSortItem("created_at")], "limit": 2}
    pages = [customers_list.sync(client=admin, include_total=True, **asked)]
    while (cursor := pages[-1].next_cursor) is not None:
        pages.append(customers_list.sync(client=admin, cursor=cursor, **asked))
    assert [len(page.items) for page in pages] == [2, 2, 1]
    assert pages[0].total == len(new)
    assert [found for page in pages for found in page.items] == made.items


def move_money(admin: AuthenticatedClient, customer: Customer) -> None:
    pounds = Currency.GBP
    own = NewAccount(name="Till", currency=pounds, overdraft_limit=None)
    till = accounts_create.sync(client=admin, body=own)
    theirs = NewAccount(name="Main", currency=pounds, customer_id=customer.id)
    account = accounts_create.sync(client=admin, body=theirs)
    entries = [
        Entry(till.id, Money("-12.34", pounds)),
        Entry(account.id, Money("12.34", pounds)),
    ]
    made = transactions_create.sync(client=admin, body=NewTransaction(entries))
    assert made.status == "posted", made
    page = customers_accounts_list.sync(customer.id, client=admin, limit=5)
    assert [found.balance.amount for found in page.items] == ["12.34"]


def be_refused(admin: AuthenticatedClient, customer: Customer) -> None:
    """With a problem that has a type and says what was wrong."""
    check(customers_read.sync(uuid4(), client=admin), 404, "not-found")
    again = NewCustomer(reference=customer.reference, name="Ann")
    check(customers_create.sync(client=admin, body=again), 409, "already-exists", "/reference")
    nameless = NewCustomer(reference="C-2", name="")
    check(customers_create.sync(client=admin, body=nameless), 422, "validation-error", "/name")
    check(tasks_claim.sync(client=admin, body=Claim()), 403, "forbidden")  # no agent is linked


def check(answer: object, status: int, name: str, *pointers: str) -> None:
    assert isinstance(answer, Problem), answer
    assert (answer.status, answer.type_.rpartition("/problems/")[2]) == (status, name)
    assert [error.pointer for error in answer.errors or ()] == list(pointers), answer


if __name__ == "__main__":
    main(*sys.argv[1:])
