"""Transactions over HTTP: posted, refused, read, and found again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from app.services import TransactionService
from tests.bank import Bank, entry, money, move
from tests.client import codes, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db import Database
    from app.db.testing import RoundTrips

    Sql = Callable[..., list[tuple[Any, ...]]]


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
        reported = bank.do(verb, made, other).json
        assert bank.client.get(f"/v1/transactions/{reported['id']}").json == reported
    assert service.get(made["id"])["entries"][0]["amount"] == -100
