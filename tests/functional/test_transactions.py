"""Transactions over HTTP: posted, held, voided, expired, approved and reversed."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from app.services import TransactionLifecycle, TransactionService
from tests.bank import Bank, entry, money, move
from tests.client import Client, codes, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db import Database
    from app.db.testing import RoundTrips

    Sql = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def bank(admin: Client) -> Bank:
    return Bank(admin)


def test_a_transfer_moves_money_at_once(bank: Bank) -> None:
    """And is told as it was asked for, with what the server adds."""
    one, two = bank.open("50"), bank.open()
    body = move(one, two, "12.5", description="Rent")
    answer = bank.client.post("/v1/transactions", body)
    made = answer.json
    assert answer.status_code == 201
    assert answer.headers["Location"].endswith(f"/v1/transactions/{made['id']}")
    assert made["entries"] == [entry(one, "-12.50"), entry(two, "12.50")]
    assert (made["status"], made["kind"], made["description"]) == ("posted", "transfer", "Rent")
    assert made["created_by"] == {"type": "user", "id": bank.client.user_id, "name": "Admin"}
    assert made["posted_at"] is not None
    assert (bank.balance(one), bank.balance(two)) == (("37.50", "37.50"), ("12.50", "12.50"))
    assert bank.client.get(f"/v1/transactions/{made['id']}").json == made
    assert bank.client.get("/v1/transactions?limit=1").json["items"] == [made]


def test_a_transaction_has_any_number_of_entries_and_currencies(bank: Bank) -> None:
    """As long as each currency sums to zero; an account may be in it twice."""
    one, two = bank.open("50"), bank.open()
    euros, cash = (
        bank.open(customer_id=None, currency="EUR"),
        bank.open(currency="EUR"),
    )
    entries = [
        entry(one, "-10"),
        entry(one, "-1"),
        entry(two, "10.50"),
        entry(bank.cash, "0.50"),
        entry(euros, "-7", "EUR"),
        entry(cash, "7", "EUR"),
    ]
    made = bank.client.create("/v1/transactions", {"kind": "transfer", "entries": entries})
    assert [e["amount"]["amount"] for e in made["entries"]][:2] == ["-10.00", "-1.00"]
    assert (bank.balance(one)[0], bank.balance(two)[0], bank.balance(cash)[0]) == (
        "39.00",
        "10.50",
        "7.00",
    )


def test_currencies_have_the_digits_of_iso_4217(bank: Bank) -> None:
    """The yen none, the dinar three; in and out alike."""
    for currency, amount, wrong in (("JPY", "1500", "1500.0"), ("KWD", "1.234", "1.2345")):
        cash = bank.open(customer_id=None, currency=currency)
        key = bank.open(currency=currency)
        made = bank.client.create("/v1/transactions", move(cash, key, amount, currency))
        assert made["entries"][1] == entry(key, amount, currency)
        assert bank.account(key)["balance"] == money(amount, currency)
        answer = bank.client.post("/v1/transactions", move(cash, key, wrong, currency))
        pointer = "/entries/{}/amount/amount"
        assert codes(answer) == {pointer.format(0): "format", pointer.format(1): "format"}


AMOUNT = "/entries/1/amount/amount"
CURRENCY = "/entries/1/amount/currency"


@pytest.mark.parametrize(
    ("amount", "mistakes"),
    [
        *[(5, {"/entries/1/amount": "type"}), (5.5, {"/entries/1/amount": "type"})],
        *[(value, {"/entries/1/amount": "type"}) for value in ("5.00", ["5", "GBP"])],
        (None, {"/entries/1/amount": "null"}),
        ({"amount": 5, "currency": "GBP"}, {AMOUNT: "type"}),
        ({"amount": 5.0, "currency": "GBP"}, {AMOUNT: "type"}),
        ({"amount": None, "currency": "GBP"}, {AMOUNT: "type"}),
        ({"amount": "5"}, {CURRENCY: "required"}),
        ({}, {AMOUNT: "required", CURRENCY: "required"}),
        *[
            ({"amount": text, "currency": "GBP"}, {AMOUNT: "format"})
            for text in ("0.005", "1e2", "+1", " 5 ", "1_000", "NaN", "Infinity", "\u0665", "", "-")
        ],
        ({"amount": "99999999999999999999", "currency": "GBP"}, {AMOUNT: "range"}),
        ({"amount": "5", "currency": "ZZZ"}, {CURRENCY: "choice"}),
        ({"amount": "5", "currency": "gbp"}, {CURRENCY: "choice"}),
        ({"amount": "5", "currency": None}, {CURRENCY: "type"}),
        ({"amount": "0", "currency": "GBP"}, {AMOUNT: "range", "/entries": "unbalanced"}),
        ({"amount": "4.99", "currency": "GBP"}, {"/entries": "unbalanced"}),
    ],
)
def test_money_that_is_none_is_refused(
    bank: Bank, amount: object, mistakes: dict[str, str]
) -> None:
    """Each mistake is pointed at, and nothing moves."""
    key = bank.open()
    entries = [entry(bank.cash, "-5"), {"account_id": key, "amount": amount}]
    answer = bank.client.post("/v1/transactions", {"kind": "deposit", "entries": entries})
    assert problem(answer) == (422, "validation-error")
    assert codes(answer) == mistakes
    assert bank.client.get("/v1/transactions").json["items"] == []


@pytest.mark.parametrize(
    ("change", "mistakes"),
    [
        ({"kind": "reversal"}, {"/kind": "choice"}),
        ({"kind": "gift"}, {"/kind": "choice"}),
        ({"entries": None}, {"/entries": "null"}),
        ({"entries": {}}, {"/entries": "type"}),
        ({"entries": []}, {"/entries": "length"}),
        ({"pending": "yes"}, {"/pending": "type"}),
        ({"status": "posted"}, {"/status": "read-only-field"}),
        ({"reverses_id": str(uuid4())}, {"/reverses_id": "read-only-field"}),
        ({"conversation_id": str(uuid4())}, {"/conversation_id": "unknown-reference"}),
        ({"task_id": str(uuid4())}, {"/task_id": "unknown-reference"}),
        ({"expires_at": "2100-01-01T00:00:00Z"}, {"/expires_at": "not-pending"}),
        ({"expires_at": "2100-01-01T00:00:00", "pending": True}, {"/expires_at": "format"}),
        ({"description": "x" * 501}, {"/description": "length"}),
        ({"reference": ""}, {"/reference": "length"}),
    ],
)
def test_the_rest_is_read_strictly_too(
    bank: Bank, change: dict[str, Any], mistakes: dict[str, str]
) -> None:
    """Nothing that a client sends is quietly changed."""
    body = {**move(bank.cash, bank.open(), "5"), **change}
    answer = bank.client.post("/v1/transactions", body)
    assert problem(answer) == (422, "validation-error")
    assert codes(answer) == mistakes


def test_entries_that_make_no_transaction(bank: Bank) -> None:
    """One entry, one account, an unknown account, too many."""
    key, nobody = bank.open(), str(uuid4())
    for entries, mistakes in (
        ([entry(key, "5")], {"/entries": "length"}),
        ([entry(key, "5"), entry(key, "-5")], {"/entries": "same-account"}),
        (
            [entry(bank.cash, "-5"), entry(nobody, "5")],
            {"/entries/1/account_id": "unknown-reference"},
        ),
        ([entry(bank.cash, "-1"), entry(key, "1")] * 501, {"/entries": "length"}),
    ):
        answer = bank.client.post("/v1/transactions", {"entries": entries})
        assert codes(answer) == mistakes


def test_an_account_keeps_its_currency(bank: Bank) -> None:
    """409 where the accounts are of another."""
    answer = bank.client.post("/v1/transactions", move(bank.cash, bank.open(), "5", "EUR"))
    assert problem(answer) == (409, "currency-mismatch")


def test_nobody_spends_more_than_there_is(bank: Bank) -> None:
    """The overdraft included, what is held excluded; to the penny."""
    key = bank.open("10", overdraft_limit=money("5"))
    bank.transfer(key, bank.cash, "3", pending=True)
    assert problem(bank.try_transfer(key, bank.cash, "12.01")) == (409, "insufficient-funds")
    answer = bank.try_transfer(key, bank.cash, "12.01", pending=True)
    assert problem(answer) == (409, "insufficient-funds")
    assert bank.balance(key) == ("10.00", "7.00")
    bank.transfer(key, bank.cash, "12")
    assert bank.balance(key) == ("-2.00", "-5.00")
    assert problem(bank.try_transfer(key, bank.cash, "0.01")) == (409, "insufficient-funds")


def test_what_is_pending_is_held_and_then_posted(bank: Bank) -> None:
    """The balance stays until then; what is available goes down, and nobody gets it yet."""
    one, two = bank.open("50"), bank.open()
    held = bank.transfer(one, two, "20", pending=True, expires_at="2100-01-01T00:00:00Z")
    assert (held["status"], held["posted_at"]) == ("pending", None)
    assert held["entries"] == [entry(one, "-20.00"), entry(two, "20.00")]
    assert (bank.balance(one), bank.balance(two)) == (("50.00", "30.00"), ("0.00", "0.00"))
    assert bank.statement(two) == []
    posted = bank.do("post", held)
    assert (posted.json["status"], posted.json["version"]) == ("posted", 2)
    assert (bank.balance(one), bank.balance(two)) == (("30.00", "30.00"), ("20.00", "20.00"))
    again = bank.do("post", held)
    assert (problem(again), again.json["from"]) == ((409, "invalid-transition"), "posted")
    assert again.json["allowed"] == ["reverse"]
    assert bank.client.get(f"/v1/transactions/{held['id']}").json == posted.json


def test_less_can_be_posted_than_was_held(bank: Bank) -> None:
    """The rest is free again."""
    one, two = bank.open("50"), bank.open()
    held = bank.transfer(one, two, "20", pending=True)
    for amount, answer in (
        (money("0"), (422, "validation-error")),
        (money("-1"), (422, "validation-error")),
        (money("20.01"), (422, "validation-error")),
        (money("1", "EUR"), (409, "currency-mismatch")),
    ):
        assert problem(bank.do("post", held, {"amount": amount})) == answer
    assert codes(bank.do("post", held, {"amount": money("20.01")})) == {"/amount/amount": "range"}
    posted = bank.do("post", held, {"amount": money("5")}).json
    assert posted["entries"] == [entry(one, "-5.00"), entry(two, "5.00")]
    assert (bank.balance(one), bank.balance(two)) == (("45.00", "45.00"), ("5.00", "5.00"))
    entries = [entry(one, "-2"), entry(two, "1"), entry(bank.cash, "1")]
    held = bank.client.create("/v1/transactions", {"entries": entries, "pending": True})
    assert codes(bank.do("post", held, {"amount": money("1")})) == {"/amount": "whole-only"}


def test_what_is_voided_is_free_again(bank: Bank) -> None:
    """For good."""
    one, two = bank.open("50"), bank.open()
    held = bank.transfer(one, two, "20", pending=True)
    voided = bank.do("void", held).json
    assert (voided["status"], voided["entries"]) == ("voided", held["entries"])
    assert bank.balance(one) == ("50.00", "50.00")
    for verb in ("post", "void", "reverse", "approve"):
        answer = bank.do(verb, held)
        assert (problem(answer), answer.json["allowed"]) == ((409, "invalid-transition"), [])
    assert bank.statement(two) == []


def test_what_waits_too_long_expires(bank: Bank, database: Database, sql: Sql) -> None:
    """By the database's clock, in a job; before it has run the time is over too."""
    one, two = bank.open("50"), bank.open()
    late = [bank.transfer(one, two, "1", pending=True, expires_at="2100-01-01T00:00:00Z")] * 1
    late += [bank.transfer(one, two, "1", pending=True, expires_at="2100-01-01T00:00:00Z")]
    kept = bank.transfer(one, two, "2", pending=True)
    sql("ALTER TABLE transactions DISABLE TRIGGER transactions_guard")
    sql("UPDATE transactions SET expires_at = now() WHERE expires_at IS NOT NULL")
    sql("ALTER TABLE transactions ENABLE TRIGGER transactions_guard")
    for verb in ("post", "void"):
        answer = bank.do(verb, late[0])
        assert (problem(answer), answer.json["from"]) == ((409, "invalid-transition"), "expired")
    lifecycle = TransactionLifecycle.as_system(database)
    assert (lifecycle.expire_due(), lifecycle.expire_due()) == (2, 0)
    found = bank.client.get("/v1/transactions?status=expired").json["items"]
    assert {item["id"] for item in found} == {item["id"] for item in late}
    assert bank.balance(one) == ("50.00", "48.00")
    assert bank.do("post", kept).status_code == 200
    events = bank.client.get(f"/v1/events?object_id={late[0]['id']}&action=expired").json["items"]
    assert [event["actor"]["type"] for event in events] == ["system"]


def test_a_transaction_is_reversed_once_and_in_full(bank: Bank) -> None:
    """By one that undoes it; the two name each other."""
    one, two = bank.open("50"), bank.open()
    made = bank.transfer(one, two, "20", description="Oops")
    path = f"/v1/transactions/{made['id']}"
    seen = bank.client.get(path).headers["ETag"]
    answer = bank.do("reverse", made)
    reversal = answer.json
    assert (answer.status_code, reversal["kind"]) == (201, "reversal")
    assert answer.headers["Location"].endswith(reversal["id"])
    assert (reversal["reverses_id"], reversal["description"]) == (made["id"], "Oops")
    assert reversal["entries"] == [entry(one, "20.00"), entry(two, "-20.00")]
    told = bank.client.get(path, if_none_match=seen)
    assert (told.status_code, told.json["reversed_by_id"]) == (200, reversal["id"])
    assert (bank.balance(one)[0], bank.balance(two)[0]) == ("50.00", "0.00")
    assert problem(bank.do("reverse", made)) == (409, "already-reversed")
    assert problem(bank.do("reverse", reversal)) == (409, "invalid-transition")


def test_a_reversal_needs_the_money_to_be_there(bank: Bank) -> None:
    """It is a transaction like any other."""
    one, two = bank.open("50"), bank.open()
    made = bank.transfer(one, two, "20")
    bank.transfer(two, bank.cash, "0.01")
    assert problem(bank.do("reverse", made)) == (409, "insufficient-funds")
    assert bank.client.get(f"/v1/transactions/{made['id']}").json == made


def test_the_hash_behind_a_reference_never_changes(bank: Bank, sql: Sql) -> None:
    """A repeat is recognised by it, also one that comes after an upgrade."""
    two = bank.open()
    made = bank.transfer(bank.cash, two, "1.50", reference="order-1", description="Rent")
    content = {
        "entries": [[bank.cash, "GBP", -150], [two, "GBP", 150]],
        "kind": "transfer",
        "description": "Rent",
        "reference": "order-1",
        "pending": False,
        **dict.fromkeys(("conversation_id", "task_id", "expires_at")),
        **dict.fromkeys(("reverses_id", "content_hash")),
    }
    said = json.dumps(content, sort_keys=True, separators=(",", ":"))
    ((kept,),) = sql(f"SELECT content_hash FROM transactions WHERE id = '{made['id']}'")
    assert bytes(kept) == hashlib.sha256(said.encode()).digest()


def test_a_reference_makes_repeating_harmless(bank: Bank) -> None:
    """The same again is answered with what was made then; other content is refused."""
    one, two = bank.open("10"), bank.open()
    body = move(one, two, "10", reference="order-1")
    first = bank.client.post("/v1/transactions", body)
    again = bank.client.post("/v1/transactions", body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json == first.json
    assert again.headers["Location"] == first.headers["Location"]
    for other in (
        move(one, two, "9", reference="order-1"),
        {**body, "kind": "fee"},
        {**body, "description": "x"},
        {**body, "pending": True},
    ):
        answer = bank.client.post("/v1/transactions", other)
        assert problem(answer) == (409, "reference-reused")
    assert bank.balance(two) == ("10.00", "10.00")
    spaced = {**body, "entries": [entry(one, "-10.0"), entry(two, "10")]}
    assert bank.client.post("/v1/transactions", spaced).status_code == 200  # the same amounts
    found = bank.client.get("/v1/transactions?reference=order-1").json["items"]
    assert [item["id"] for item in found] == [first.json["id"]]


@pytest.mark.usefixtures("threshold")
def test_a_large_amount_waits_for_a_second_user(bank: Bank, staff: Client) -> None:
    """Who made it can't approve it; then it is posted as it was asked for."""
    key = bank.open("100")
    made = bank.transfer(bank.cash, key, "100.01")
    assert (made["status"], made["needs_approval"]) == ("pending", True)
    assert problem(bank.do("post", made)) == (409, "approval-required")
    assert problem(bank.do("approve", made)) == (403, "forbidden")
    assert bank.balance(key) == ("100.00", "100.00")
    approved = staff.post(f"/v1/transactions/{made['id']}/approve").json
    assert (approved["status"], approved["approved_by_id"]) == ("posted", staff.user_id)
    assert bank.balance(key)[0] == "200.01"
    answer = bank.do("approve", made)
    assert problem(answer) == (409, "invalid-transition")
    reversal = bank.do("reverse", made).json
    assert (reversal["status"], reversal["needs_approval"]) == ("pending", True)
    assert problem(bank.do("reverse", made)) == (409, "already-reversed")
    bank.do("void", reversal)
    assert bank.do("reverse", made).status_code == 201
    events = bank.client.get(f"/v1/events?object_id={made['id']}&sort=occurred_at").json["items"]
    assert [event["action"] for event in events] == ["created", "approved", "posted"]
    _, approved, posted = (event["changes"] for event in events)
    assert approved == {"approved_by_id": {"before": None, "after": staff.user_id}}
    assert set(posted) == {"status", "posted_at"}  # who approved it is in one event alone


@pytest.mark.usefixtures("threshold")
def test_a_large_hold_is_approved_and_then_posted(bank: Bank, staff: Client) -> None:
    """What was to be pending stays so; what needs no approval can't be approved."""
    key = bank.open()
    held = bank.transfer(bank.cash, key, "101", pending=True)
    assert problem(bank.do("post", held)) == (409, "approval-required")
    approved = staff.post(f"/v1/transactions/{held['id']}/approve").json
    assert (approved["status"], approved["approved_by_id"]) == ("pending", staff.user_id)
    assert bank.do("post", held, {"amount": money("1")}).json["status"] == "posted"
    small = bank.transfer(bank.cash, key, "1", pending=True)
    answer = staff.post(f"/v1/transactions/{small['id']}/approve")
    assert (problem(answer), answer.json["allowed"]) == (
        (409, "invalid-transition"),
        ["post", "void"],
    )


def test_the_transactions_of_an_account_are_found(bank: Bank) -> None:
    """Those that moved its money, and those that hold or held some."""
    one, two, three = bank.open("10"), bank.open(), bank.open()
    moved, held = bank.transfer(one, two, "1"), bank.transfer(one, two, "2", pending=True)
    given_up = bank.transfer(two, one, "1", pending=True)
    bank.do("void", given_up)
    path = f"/v1/transactions?account_id={two}&sort=created_at"
    found = [of["id"] for of in bank.client.get(path).json["items"]]
    assert found == [moved["id"], held["id"], given_up["id"]]
    pending = bank.client.get(f"{path}&status=pending&include_total=true").json
    assert ([of["id"] for of in pending["items"]], pending["total"]) == ([held["id"]], 1)
    assert bank.client.get(f"/v1/transactions?account_id={three}").json["items"] == []
    for query in ("account_id=x", f"account_id__in={two}", "account_id="):
        assert bank.client.get(f"/v1/transactions?{query}").status_code == 400


def test_a_transaction_is_neither_changed_nor_deleted(bank: Bank) -> None:
    """405, whatever its state."""
    made = bank.transfer(bank.cash, bank.open(), "1")
    for answer in (
        bank.client.delete(f"/v1/transactions/{made['id']}"),
        bank.client.patch(f"/v1/transactions/{made['id']}", {"description": "x"}),
    ):
        assert problem(answer) == (405, "method-not-allowed")


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


def test_events_tell_what_was_moved(bank: Bank) -> None:
    """The entries of what is made, and those of a hold that was posted for less."""
    one, two = bank.open("10"), bank.open()
    held = bank.transfer(one, two, "10", pending=True)
    bank.do("post", held, {"amount": money("3")})
    path = f"/v1/events?object_id={held['id']}&sort=occurred_at"
    made, posted = (event["changes"] for event in bank.client.get(path).json["items"])
    whole = [entry(one, "-10.00"), entry(two, "10.00")]
    assert made["entries"] == {"before": None, "after": whole}
    less = [entry(one, "-3.00"), entry(two, "3.00")]
    assert posted["entries"] == {"before": whole, "after": less}


def test_what_would_expire_at_once_is_refused(bank: Bank) -> None:
    """422; yet the repeat of a reference is answered after its time too."""
    body = move(bank.cash, bank.open(), "1", pending=True, expires_at="2020-01-01T00:00:00Z")
    assert codes(bank.client.post("/v1/transactions", body)) == {"/expires_at": "range"}


def test_a_sum_may_be_larger_than_any_amount(bank: Bank) -> None:
    """An account that stores no balance has no bounds, and is read all the same."""
    one, two = (bank.open(customer_id=None, stores_balance=False) for _ in range(2))
    most = "10000000000000.00"
    body = {"entries": [entry(one, f"-{most}"), entry(two, most)] * 500}
    for _ in range(19):
        assert bank.client.post("/v1/transactions", body).status_code == 201
    balance = "95000000000000000.00"
    assert bank.balance(two) == (balance, balance)
    assert bank.client.get("/v1/accounts").status_code == 200


def test_an_account_in_a_currency_of_the_past_is_read(bank: Bank, sql: Sql) -> None:
    """It was opened when there was such a currency; no new one is."""
    key = bank.open()
    sql("ALTER TABLE accounts DISABLE TRIGGER accounts_guard")
    sql("UPDATE accounts SET currency = 'HRK' WHERE id = %s", key)
    sql("ALTER TABLE accounts ENABLE TRIGGER accounts_guard")
    assert bank.balance(key) == ("0.00", "0.00")
    new = {"customer_id": bank.customer, "name": "x", "currency": "HRK"}
    assert codes(bank.client.post("/v1/accounts", new)) == {"/currency": "choice"}


def test_a_transfer_is_four_messages(bank: Bank, round_trips: RoundTrips) -> None:
    """Accounts locked, transaction and entries in one statement, the event, COMMIT."""
    one, two = bank.open("50"), bank.open()
    bank.transfer(one, two, "1")
    round_trips.take()
    bank.transfer(one, two, "1")
    sent = round_trips.take()
    assert [message.split("; ")[-1].split()[0] for message in sent] == ["WITH"] * 3 + ["COMMIT"]
    bank.transfer(one, two, "1", reference="r")
    assert len(round_trips.take()) == 5
    entries = [entry(bank.open("1"), "-1") for _ in range(10)] + [entry(two, "10")]
    round_trips.take()
    held = bank.client.create("/v1/transactions", {"entries": entries, "pending": True})
    assert len(round_trips.take()) == 4
    bank.do("post", held)
    assert len(round_trips.take()) == 5
    bank.do("reverse", held)
    assert len(round_trips.take()) == 5


def test_reading_is_one_message(bank: Bank, round_trips: RoundTrips) -> None:
    """Also of lists, with all their entries."""
    made = bank.transfer(bank.cash, bank.open(), "1")
    round_trips.take()
    for path in (f"/v1/transactions/{made['id']}", "/v1/transactions", f"/v1/accounts/{bank.cash}"):
        bank.client.get(path)
        assert len(round_trips.take()) == 1


def test_the_service_reads_what_it_made(bank: Bank, database: Database) -> None:
    """The answer to a call is the same as a later read, whatever the call."""
    service = TransactionService.as_system(database)
    one, two = bank.open("50"), bank.open()
    made = bank.transfer(one, two, "1", pending=True)
    for verb, other in (("post", None), ("reverse", None)):
        told = bank.do(verb, made, other).json
        assert bank.client.get(f"/v1/transactions/{told['id']}").json == told
    assert service.get(made["id"])["entries"][0]["amount"] == -100
