"""Accounts over HTTP: opened, changed, frozen, closed, and what a statement tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from app.domain.accounts import is_account_number
from tests.bank import Bank, money
from tests.client import codes, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    Sql = Callable[..., list[tuple[Any, ...]]]


def test_an_account_is_opened_empty(bank: Bank) -> None:
    """With a number that carries check digits, and as its schema says."""
    new = {"customer_id": bank.customer, "name": "Savings", "currency": "GBP"}
    account = bank.client.create("/v1/accounts", new)
    assert is_account_number(account["number"])
    zero = {"amount": "0.00", "currency": "GBP"}
    assert {name: account[name] for name in ("status", "balance", "available")} == {
        "status": "open",
        "balance": zero,
        "available": zero,
    }
    assert (account["overdraft_limit"], account["customer_id"]) == (zero, bank.customer)
    assert bank.account(account["id"]) == account
    numbers = {bank.account(bank.open())["number"] for _ in range(3)}
    assert len(numbers | {account["number"]}) == 4


def test_the_firms_own_has_no_limit_unless_it_is_given_one(bank: Bank) -> None:
    """Money has to come from somewhere; a customer's account always has a limit."""
    assert bank.account(bank.cash)["overdraft_limit"] is None
    limited = bank.open(customer_id=None, overdraft_limit=money("5"))
    assert bank.account(limited)["overdraft_limit"] == money("5.00")
    answer = bank.client.post(
        "/v1/accounts",
        {
            "customer_id": bank.customer,
            "name": "x",
            "currency": "GBP",
            "overdraft_limit": None,
        },
    )
    assert codes(answer) == {"/overdraft_limit": "null"}


@pytest.mark.parametrize(
    ("values", "pointer", "code"),
    [
        ({"currency": "gbp"}, "/currency", "choice"),
        ({"currency": "XXX"}, "/currency", "choice"),
        ({"currency": None}, "/currency", "null"),
        ({"currency": 5}, "/currency", "type"),
        ({"name": ""}, "/name", "length"),
        ({"customer_id": str(uuid4())}, "/customer_id", "unknown-reference"),
        ({"customer_id": "x"}, "/customer_id", "format"),
        ({"overdraft_limit": 5}, "/overdraft_limit", "type"),
        ({"overdraft_limit": "5.00"}, "/overdraft_limit", "type"),
        ({"overdraft_limit": {"amount": "5"}}, "/overdraft_limit/currency", "required"),
        ({"overdraft_limit": {**money("5"), "x": 1}}, "/overdraft_limit/x", "unknown-field"),
        ({"overdraft_limit": money("-5")}, "/overdraft_limit", "range"),
        ({"overdraft_limit": money("0.005")}, "/overdraft_limit/amount", "format"),
        ({"overdraft_limit": money("99999999999999")}, "/overdraft_limit/amount", "range"),
        ({"stores_balance": False}, "/stores_balance", "invalid"),
        *[
            ({name: "1"}, f"/{name}", "read-only-field")
            for name in ("id", "number", "status", "balance", "available", "version")
        ],
        ({"held": 1}, "/held", "unknown-field"),
    ],
)
def test_what_is_wrong_is_pointed_at(
    bank: Bank, values: dict[str, Any], pointer: str, code: str
) -> None:
    """And nothing is opened."""
    new = {"customer_id": bank.customer, "name": "x", "currency": "GBP", **values}
    answer = bank.client.post("/v1/accounts", new)
    assert problem(answer) == (422, "validation-error")
    assert codes(answer) == {pointer: code}
    assert len(bank.client.get("/v1/accounts").json["items"]) == 1


def test_the_limit_is_in_the_accounts_currency(bank: Bank) -> None:
    """When it is opened and later."""
    new = {"customer_id": bank.customer, "name": "x", "currency": "GBP"}
    answer = bank.client.post("/v1/accounts", {**new, "overdraft_limit": money("5", "EUR")})
    assert problem(answer) == (409, "currency-mismatch")
    path = f"/v1/accounts/{bank.open()}"
    answer = bank.client.patch(path, {"overdraft_limit": money("5", "EUR")})
    assert problem(answer) == (409, "currency-mismatch")


def test_name_and_limit_are_changed_and_nothing_else(bank: Bank) -> None:
    """PATCH keeps what it does not name; what the account is made of stays."""
    key = bank.open("10.00")
    path = f"/v1/accounts/{key}"
    changed = bank.client.patch(path, {"name": "New", "overdraft_limit": money("7.5")})
    assert (changed.json["name"], changed.json["overdraft_limit"]) == ("New", money("7.50"))
    assert (changed.json["version"], changed.json["balance"]) == (2, money("10.00"))
    assert bank.client.patch(path, {}).json == changed.json
    for field, value in (
        ("currency", "EUR"),
        ("customer_id", None),
        ("status", "closed"),
        ("balance", money("1")),
        ("stores_balance", False),
    ):
        assert codes(bank.client.patch(path, {field: value})) == {f"/{field}": "read-only-field"}
    assert problem(bank.client.patch(path, {"name": "x"}, if_match='"1"'))[0] == 412
    assert bank.account(key) == changed.json


def test_a_limit_that_is_used_can_not_be_lowered(bank: Bank) -> None:
    """The database itself compares the balance to it."""
    key = bank.open(overdraft_limit=money("20"))
    bank.transfer(key, bank.cash, "15")
    answer = bank.client.patch(f"/v1/accounts/{key}", {"overdraft_limit": money("14.99")})
    assert problem(answer) == (409, "insufficient-funds")
    answer = bank.client.patch(f"/v1/accounts/{key}", {"overdraft_limit": money("15.00")})
    assert answer.status_code == 200


def test_frozen_means_that_nothing_goes_in_or_out(bank: Bank) -> None:
    """Until it is unfrozen; what was held before can be voided, and posted only afterwards."""
    key, other = bank.open("10"), bank.open()
    held = bank.transfer(key, other, "4", pending=True)
    assert bank.client.post(f"/v1/accounts/{key}/freeze").json["status"] == "frozen"
    for source, target in ((key, other), (other, key), (bank.cash, key)):
        for more in ({}, {"pending": True}):
            answer = bank.try_transfer(source, target, "1", **more)
            assert problem(answer) == (409, "account-frozen")
    assert problem(bank.do("post", held)) == (409, "account-frozen")
    answer = bank.client.post(f"/v1/accounts/{key}/freeze")
    assert problem(answer) == (409, "invalid-transition")
    assert (answer.json["from"], answer.json["allowed"]) == (
        "frozen",
        ["close", "unfreeze", "update"],
    )
    assert bank.client.post(f"/v1/accounts/{key}/unfreeze").json["status"] == "open"
    assert bank.do("post", held).status_code == 200
    assert bank.balance(key) == ("6.00", "6.00")


def test_only_an_empty_account_is_closed(bank: Bank) -> None:
    """Neither money nor anything pending, in either direction; and it is closed for good."""
    key, other = bank.open("10"), bank.open("10")
    close = f"/v1/accounts/{key}/close"
    assert problem(bank.client.post(close)) == (409, "account-not-empty")
    bank.transfer(key, other, "10")
    incoming = bank.transfer(other, key, "1", pending=True)
    assert problem(bank.client.post(close)) == (409, "account-not-empty")
    assert bank.do("void", incoming).status_code == 200
    assert bank.client.post(close).json["status"] == "closed"
    assert problem(bank.try_transfer(other, key, "1")) == (409, "account-closed")
    answer = bank.client.patch(f"/v1/accounts/{key}", {"name": "x"})
    assert problem(answer) == (409, "account-closed")
    for verb in ("close", "freeze", "unfreeze"):
        answer = bank.client.post(f"/v1/accounts/{key}/{verb}")
        assert (problem(answer), answer.json["allowed"]) == ((409, "invalid-transition"), [])


def test_an_account_is_not_deleted(bank: Bank) -> None:
    """405, with what there is instead."""
    answer = bank.client.delete(f"/v1/accounts/{bank.cash}")
    assert problem(answer) == (405, "method-not-allowed")
    assert "PATCH" in answer.headers["Allow"]


def test_a_customer_with_an_open_account_stays(bank: Bank) -> None:
    """Until it is closed; the closed account is still there afterwards."""
    key, path = bank.open(), f"/v1/customers/{bank.customer}"
    assert problem(bank.client.delete(path)) == (409, "in-use")
    bank.client.post(f"/v1/accounts/{key}/close")
    assert bank.client.delete(path).status_code == 204
    assert bank.account(key)["status"] == "closed"
    new = {"customer_id": bank.customer, "name": "x", "currency": "GBP"}
    assert codes(bank.client.post("/v1/accounts", new)) == {"/customer_id": "unknown-reference"}


def test_an_etag_tells_of_the_balance_too(bank: Bank) -> None:
    """Money does not raise the version, and yet no answer says that nothing has changed."""
    key = bank.open()
    path = f"/v1/accounts/{key}"
    seen = bank.client.get(path).headers["ETag"]
    assert bank.client.get(path, if_none_match=seen).status_code == 304
    bank.transfer(bank.cash, key, "1")
    answer = bank.client.get(path, if_none_match=seen)
    assert (answer.status_code, answer.json["version"]) == (200, 1)
    assert bank.client.patch(path, {"name": "y"}, if_match=seen).status_code == 200
    assert problem(bank.client.patch(path, {"name": "z"}, if_match=seen))[0] == 412


def test_accounts_are_listed_by_customer_number_and_status(bank: Bank) -> None:
    """And those of one customer under the customer."""
    keys = [bank.open(), bank.open()]
    bank.client.post(f"/v1/accounts/{keys[0]}/freeze")
    number = bank.account(keys[1])["number"]
    for query, found in (
        (f"customer_id={bank.customer}&sort=created_at", keys),
        ("customer_id__is_null=true", [bank.cash]),
        ("status=frozen", keys[:1]),
        (f"number={number}", keys[1:]),
        (f"q={number}", keys[1:]),
        ("currency=EUR", []),
    ):
        items = bank.client.get(f"/v1/accounts?{query}").json["items"]
        assert [item["id"] for item in items] == found, query
    listed = bank.client.get(f"/v1/customers/{bank.customer}/accounts?sort=created_at").json
    assert [item["id"] for item in listed["items"]] == keys
    assert listed["items"][1] == bank.account(keys[1])
    answer = bank.client.get(f"/v1/customers/{uuid4()}/accounts")
    assert problem(answer) == (404, "not-found")


def test_a_statement_has_the_balance_after_each_entry(bank: Bank) -> None:
    """The newest first, or in the order of time; page by page the same."""
    key, other = bank.open("100"), bank.open()
    for amount in ("10", "20.50", "0.01"):
        bank.transfer(key, other, amount, description=f"Pays {amount}")
    newest = bank.statement(key)
    assert [line["balance"]["amount"] for line in newest] == ["69.49", "69.50", "90.00", "100.00"]
    assert [line["amount"]["amount"] for line in newest] == ["-0.01", "-20.50", "-10.00", "100.00"]
    assert (newest[0]["kind"], newest[0]["description"]) == ("transfer", "Pays 0.01")
    assert bank.statement(key, "?sort=seq") == newest[::-1]
    for sort in ("seq", "-seq"):
        pages, path = [], f"/v1/accounts/{key}/entries?limit=1&sort={sort}"
        cursor = ""
        while True:
            page = bank.client.get(path + cursor).json
            pages += page["items"]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert pages == bank.statement(key, f"?sort={sort}")
    first = bank.statement(key, "?sort=seq")[0]["created_at"]
    assert bank.statement(key, f"?created_at__gt={first}") == newest[:-1]
    one = bank.statement(key, f"?transaction_id={newest[1]['transaction_id']}")
    assert one == newest[1:2]


def test_an_account_without_a_stored_balance(bank: Bank) -> None:
    """Is summed when it is read: nobody waits for its row, and its statement has no balances."""
    hot = bank.open(customer_id=None, stores_balance=False)
    key = bank.open()
    bank.transfer(hot, key, "30")
    held = bank.transfer(hot, key, "5", pending=True)
    assert bank.balance(hot) == ("-30.00", "-35.00")
    assert [line["balance"] for line in bank.statement(hot)] == [None]
    assert problem(bank.client.post(f"/v1/accounts/{hot}/close")) == (409, "account-not-empty")
    bank.do("post", held)
    bank.transfer(key, hot, "35")
    listed = bank.client.get("/v1/accounts?customer_id__is_null=true").json["items"]
    assert {item["id"]: item["balance"]["amount"] for item in listed} == {
        hot: "0.00",
        bank.cash: "0.00",
    }
    answer = bank.client.patch(f"/v1/accounts/{hot}", {"overdraft_limit": money("1")})
    assert codes(answer) == {"/stores_balance": "invalid"}
    assert bank.client.post(f"/v1/accounts/{hot}/close").json["status"] == "closed"


def test_an_event_tells_of_every_change(bank: Bank, sql: Sql) -> None:
    """Its name is personal; balances are in no event, but in entries."""
    key = bank.open("5", overdraft_limit=money("1"))
    bank.client.patch(f"/v1/accounts/{key}", {"overdraft_limit": money("2")})
    bank.client.post(f"/v1/accounts/{key}/freeze")
    found = bank.client.get(f"/v1/events?object_id={key}&sort=occurred_at").json["items"]
    assert [event["action"] for event in found] == ["created", "updated", "frozen"]
    assert found[0]["changes"]["name"] == {"before": None, "after": "Current"}
    assert found[1]["changes"] == {
        "overdraft_limit": {"before": money("1.00"), "after": money("2.00")}
    }
    stored = sql("SELECT changes FROM events WHERE object_id = %s AND action = 'created'", key)
    assert stored[0][0]["name"] is None
