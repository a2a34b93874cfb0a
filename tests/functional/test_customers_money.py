"""Who moves and sees the money of customers: staff, agents, and a refund as part of resolving."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from tests.bank import Bank, entry, move
from tests.client import Client, codes, problem

if TYPE_CHECKING:
    from collections.abc import Callable


def test_staff_move_customers_money_and_not_the_firms(bank: Bank, staff: Client) -> None:
    """With the firm's own accounts on the other side; those themselves are the admins'."""
    key, other = bank.open("5"), bank.open(customer_id=None)
    assert staff.post("/v1/transactions", move(bank.cash, key, "5")).status_code == 201
    answer = staff.post("/v1/transactions", move(bank.cash, other, "5"))
    assert problem(answer) == (403, "forbidden")
    entries = [entry(bank.cash, "-5"), entry(other, "4.99"), entry(key, "0.01")]
    answer = staff.post("/v1/transactions", {"entries": entries})
    assert problem(answer) == (403, "forbidden")
    held = bank.transfer(bank.cash, other, "5", pending=True)
    for verb in ("post", "void"):
        assert problem(staff.post(f"/v1/transactions/{held['id']}/{verb}")) == (403, "forbidden")
    new = {"name": "x", "currency": "GBP"}
    path = f"/v1/accounts/{bank.cash}"
    answers = [
        staff.post("/v1/accounts", new),
        staff.post("/v1/accounts", {**new, "customer_id": None}),
        staff.patch(path, {"name": "x"}),
        *[staff.post(f"{path}/{verb}") for verb in ("freeze", "unfreeze", "close")],
        staff.get(f"{path}/entries"),
    ]
    assert [problem(answer) for answer in answers] == [(403, "forbidden")] * 7
    assert staff.get(path).json["name"] == "Cash"
    assert staff.post("/v1/accounts", {**new, "customer_id": bank.customer}).status_code == 201


def test_an_agent_sees_the_accounts_of_its_tasks_customers(
    bank: Bank, hire: Callable[..., Client]
) -> None:
    """Reads them, as long as the task is open; makes and changes nothing."""
    bot, key = hire(), bank.open("5")
    paths = [
        f"/v1/accounts/{key}",
        f"/v1/accounts/{key}/entries",
        f"/v1/customers/{bank.customer}/accounts",
    ]
    cash = [f"/v1/accounts/{bank.cash}", f"/v1/accounts/{bank.cash}/entries"]
    for path in paths:
        assert problem(bot.get(path)) == (403, "forbidden")
    conversation = bank.client.create(
        "/v1/conversations",
        {"customer_id": bank.customer, "subject": "Fee", "channel": "web"},
    )
    task = {"kind": "x", "queue": "work", "agent_id": bot.user_id}
    bank.client.create("/v1/tasks", {**task, "conversation_id": conversation["id"]})
    assert [bot.get(path).status_code for path in paths] == [200] * 3
    for path in (*cash, f"/v1/accounts/{uuid4()}"):
        assert problem(bot.get(path)) == (403, "forbidden")
    answer = bot.post("/v1/transactions", move(bank.cash, key, "1"))
    assert problem(answer) == (403, "forbidden")


def test_a_refund_is_part_of_resolving(bank: Bank, hire: Callable[..., Client]) -> None:
    """Message, task and money in one unit of work: all of it, or nothing."""
    bot, key = hire(queues=["fees"]), bank.open("10")
    conversation = bank.client.create(
        "/v1/conversations",
        {
            "customer_id": bank.customer,
            "subject": "Fee",
            "channel": "web",
            "task": {"kind": "check", "queue": "fees"},
        },
    )
    task = bot.post("/v1/tasks/claim").json["items"][0]
    path = f"/v1/conversations/{conversation['id']}"
    refund = {"entries": [entry(bank.cash, "-4"), entry(key, "4")], "description": "Fee back"}
    body = {
        "message": {"body": "Here you are."},
        "refund": refund,
        "complete_task": {"id": task["id"], "lease_token": task["lease_token"]},
    }
    wrong = {**refund, "entries": [entry(bank.cash, "-4"), entry(str(uuid4()), "4")]}
    poor = {**refund, "entries": [entry(key, "-11"), entry(bank.cash, "11")]}
    answer = bank.client.post(f"{path}/resolve", {**body, "refund": wrong})
    assert codes(answer) == {"/refund/entries/1/account_id": "unknown-reference"}
    answer = bank.client.post(f"{path}/resolve", {**body, "refund": poor})
    assert problem(answer) == (409, "insufficient-funds")
    foreign = bank.client.create("/v1/tasks", {"kind": "x", "queue": "fees"})["id"]
    answer = bank.client.post(f"{path}/resolve", {"refund": {**refund, "task_id": foreign}})
    assert codes(answer) == {"/refund/task_id": "unknown-reference"}
    assert bank.client.get(path).json == conversation
    assert bank.client.get(f"{path}/messages").json["items"] == []
    assert bank.client.get(f"/v1/tasks/{task['id']}").json["status"] == "running"
    assert bank.client.post(f"{path}/resolve", body).json["status"] == "resolved"
    (made,) = bank.client.get(f"/v1/transactions?conversation_id={conversation['id']}").json[
        "items"
    ]
    assert (made["kind"], made["task_id"], made["status"]) == ("refund", task["id"], "posted")
    assert bank.balance(key)[0] == "14.00"
    assert bank.client.get(f"/v1/tasks/{task['id']}").json["status"] == "completed"


def test_no_transaction_names_a_merged_conversation(bank: Bank) -> None:
    """409 with the target's id; what is known by its reference and what is reversed is not lost."""
    key = bank.open("10")
    body = {"customer_id": bank.customer, "subject": "Fee", "channel": "web"}
    source, target = (bank.client.create("/v1/conversations", body)["id"] for _ in range(2))
    about = {"conversation_id": source}
    known = bank.transfer(key, bank.cash, "1", reference="r-1", **about)
    assert bank.client.post(f"/v1/conversations/{source}/merge", {"into": target}).json["id"]
    for pending in (False, True):
        answer = bank.try_transfer(key, bank.cash, "1", pending=pending, **about)
        assert problem(answer) == (409, "conversation-merged")
        assert answer.json["merged_into_id"] == target
    assert bank.balance(key) == ("9.00", "9.00")
    again = bank.try_transfer(key, bank.cash, "1", reference="r-1", **about)
    assert (again.status_code, again.json) == (200, known)
    reversal = bank.do("reverse", known)
    assert (reversal.status_code, reversal.json["conversation_id"]) == (201, target)
    assert bank.transfer(key, bank.cash, "1", conversation_id=target)["conversation_id"] == target
    path = f"/v1/transactions?conversation_id={target}&include_total=true"
    assert bank.client.get(path).json["total"] == 2
