"""Accounts and transactions over HTTP, in as few words as tests need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.client import Answer, Client


def money(amount: str, currency: str = "GBP") -> dict[str, str]:
    return {"amount": amount, "currency": currency}


def entry(account: str, amount: str, currency: str = "GBP") -> dict[str, Any]:
    return {"account_id": account, "amount": money(amount, currency)}


def move(source: str, target: str, amount: str, currency: str = "GBP", **more: Any) -> Any:
    """The body of a transaction from one account to the other."""
    entries = [entry(source, f"-{amount}", currency), entry(target, amount, currency)]
    return {"kind": "transfer", "entries": entries, **more}


class Bank:
    """One customer, and the firm's own account `cash`."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.customer = client.create("/v1/customers", {"reference": "BANK", "name": "Ann"})["id"]
        self.cash = self.open(customer_id=None, name="Cash")

    def open(self, funds: str = "0", **values: Any) -> str:
        """A new account, the customer's unless told otherwise, with these funds from `cash`."""
        new = {"customer_id": self.customer, "name": "Current", "currency": "GBP", **values}
        key: str = self.client.create("/v1/accounts", new)["id"]
        if funds != "0":
            self.transfer(self.cash, key, funds, kind="deposit")
        return key

    def transfer(self, source: str, target: str, amount: str, **more: Any) -> dict[str, Any]:
        """Must succeed; returns the transaction."""
        return self.client.create("/v1/transactions", move(source, target, amount, **more))

    def try_transfer(self, source: str, target: str, amount: str, **more: Any) -> Answer:
        return self.client.post("/v1/transactions", move(source, target, amount, **more))

    def do(self, verb: str, transaction: dict[str, Any], body: Any = None) -> Answer:
        return self.client.post(f"/v1/transactions/{transaction['id']}/{verb}", body)

    def account(self, key: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(f"/v1/accounts/{key}").json
        return found

    def balance(self, key: str) -> tuple[str, str]:
        """And what of it is available."""
        account = self.account(key)
        return account["balance"]["amount"], account["available"]["amount"]

    def statement(self, key: str, query: str = "") -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.client.get(f"/v1/accounts/{key}/entries{query}").json[
            "items"
        ]
        return items
