"""Amounts: decimal strings for clients, minor units for the database."""

from __future__ import annotations

from typing import Any

AMOUNT = r"^-?(0|[1-9][0-9]{0,12})\.[0-9]{2}$"
CURRENCIES = ("EUR", "GBP", "USD")
KINDS = ("transfer", "deposit", "withdrawal", "fee", "refund")


def minor_units(amount: str) -> int:
    """Of a text that AMOUNT matches."""
    return int(amount.replace(".", ""))


TRANSACTION_FIELDS = (
    "kind",
    "description",
    "status",
    "posted_at",
    "needs_approval",
    "created_by_kind",
    "created_by_id",
    "created_by_name",
)


def entries_for_event(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With the ids as text, as JSON has them."""
    return [{**entry, "account_id": str(entry["account_id"])} for entry in entries]
