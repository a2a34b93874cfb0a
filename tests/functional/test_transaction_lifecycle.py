"""Transactions that wait: posted, voided, expired, approved; and those reversed or repeated."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from app.services import TransactionLifecycle
from tests.bank import Bank, entry, money, move
from tests.client import Client, codes, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db import Database

    Sql = Callable[..., list[tuple[Any, ...]]]


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
    reported = bank.client.get(path, if_none_match=seen)
    assert (reported.status_code, reported.json["reversed_by_id"]) == (200, reversal["id"])
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


def test_what_would_expire_at_once_is_refused(bank: Bank) -> None:
    """422; yet the repeat of a reference is answered after its time too."""
    body = move(bank.cash, bank.open(), "1", pending=True, expires_at="2020-01-01T00:00:00Z")
    assert codes(bank.client.post("/v1/transactions", body)) == {"/expires_at": "range"}
