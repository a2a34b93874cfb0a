"""Transactions: a new one, its entries and what they must be, and what may be done when."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from app.db.errors import Conflict, Invalid, Mistake
from app.domain.money import Money, digits_of
from app.domain.unset import UNSET, Unset
from app.errors import InvalidTransition

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from decimal import Decimal
    from uuid import UUID

MOST_ENTRIES = 1000
LEAST_ENTRIES = 2


class TransactionKind(StrEnum):
    TRANSFER = "transfer"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    FEE = "fee"
    REFUND = "refund"
    REVERSAL = "reversal"  # made by reversing, and by nothing else


KINDS_TO_CHOOSE = tuple(kind for kind in TransactionKind if kind is not TransactionKind.REVERSAL)


class TransactionStatus(StrEnum):
    PENDING = "pending"  # holds what is to leave the accounts
    POSTED = "posted"
    VOIDED = "voided"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Leg:
    """One entry of a transaction: a positive amount enters the account, a negative one leaves it.

    In the API, in events and in records the legs of a transaction are its `entries`.
    """

    account_id: UUID
    amount: Money

    @property
    def columns(self) -> dict[str, UUID | str | int]:
        """As rows and records hold it, with the amount in minor units."""
        amount = self.amount
        return {"account_id": self.account_id, "currency": amount.currency, "amount": amount.minor}

    @property
    def as_json(self) -> dict[str, object]:
        """As events hold it, and as a client sends it."""
        return {"account_id": str(self.account_id), "amount": self.amount.as_json}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTransaction:
    """A transaction to make. `pending` holds the money, until `expires_at`, instead of moving it.

    `reference` is the client's own name for it: a transaction with the same content is made once.
    """

    entries: Sequence[Leg]
    kind: str = TransactionKind.TRANSFER
    description: str = ""
    pending: bool = False
    reference: str | None = None
    conversation_id: UUID | None = None
    task_id: UUID | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """The refund with which a conversation is resolved.

    It is about the task that is completed with the conversation, unless `task_id` is given.
    """

    entries: Sequence[Leg]
    description: str = ""
    reference: str | None = None
    task_id: UUID | Unset | None = UNSET


def check_transaction_action(
    action: str, status: str, kind: str, *, awaits_approval: bool = False
) -> None:
    """Raises InvalidTransition where a transaction in this state does not allow the action."""
    allowed = list(_allowed(status, kind, awaits_approval=awaits_approval))
    if action not in allowed:
        raise InvalidTransition(_noun(action, status, kind), action, status, allowed)


def _noun(action: str, status: str, kind: str) -> str:
    if kind == TransactionKind.REVERSAL:
        return "reversal"
    needless = action == "approve" and status == TransactionStatus.PENDING
    return "transaction that waits for no approval" if needless else "transaction"


def _allowed(status: str, kind: str, *, awaits_approval: bool) -> Iterator[str]:
    if status == TransactionStatus.PENDING:
        yield from ("post", "void")
        if awaits_approval:
            yield "approve"
    elif status == TransactionStatus.POSTED and kind != TransactionKind.REVERSAL:
        yield "reverse"


def check_legs(legs: Sequence[Leg]) -> None:
    """Raises Invalid unless they move money between accounts and sum to zero per currency."""
    if mistakes := list(_mistakes(legs)):
        raise Invalid(mistakes)


def _mistakes(legs: Sequence[Leg]) -> Iterator[Mistake]:
    if not LEAST_ENTRIES <= len(legs) <= MOST_ENTRIES:
        detail = f"It must have {LEAST_ENTRIES} to {MOST_ENTRIES} items."
        yield Mistake(("entries",), "length", detail)
        return
    for position, leg in enumerate(legs):
        if leg.amount.minor == 0:
            path = ("entries", position, "amount", "amount")
            yield Mistake(path, "range", "It must not be zero.")
    for currency, total in _sums(legs).items():
        if total != 0:
            detail = f"The entries sum to {Money(total, currency)}, not to zero."
            yield Mistake(("entries",), "unbalanced", detail)
    if len({leg.account_id for leg in legs}) == 1:
        yield Mistake(("entries",), "same-account", "The entries must name at least two accounts.")


def _sums(legs: Sequence[Leg], *, incoming_only: bool = False) -> dict[str, int]:
    sums: dict[str, int] = defaultdict(int)
    for leg in legs:
        if leg.amount.minor > 0 or not incoming_only:
            sums[leg.amount.currency] += leg.amount.minor
    return sums


def is_over(legs: Sequence[Leg], threshold: Decimal | None) -> bool:
    """Whether more than the threshold, in units of its currency, changes hands in any currency."""
    return threshold is not None and any(
        moved > threshold.scaleb(digits_of(currency))
        for currency, moved in _sums(legs, incoming_only=True).items()
    )


def lessened(legs: Sequence[Leg], amount: Money) -> list[Leg]:
    """The two legs of a hold, for this much of it; raises Invalid, CurrencyMismatch."""
    path = ("amount",)
    if len(legs) != LEAST_ENTRIES:
        detail = "A partial amount can be posted only for a hold with two entries."
        raise Invalid([Mistake(path, "whole-only", detail)])
    held = max(leg.amount for leg in legs)
    if not Money(0, held.currency) < amount <= held:
        detail = f"It must be more than 0 and at most {held}."
        raise Invalid([Mistake((*path, "amount"), "range", detail)])
    return [Leg(leg.account_id, amount if leg.amount == held else -amount) for leg in legs]


class ApprovalRequired(Conflict):
    code = "approval-required"

    def __init__(self) -> None:
        super().__init__("A second user must approve the transaction first.")


class AlreadyReversed(Conflict):
    code = "already-reversed"

    def __init__(self) -> None:
        super().__init__("The transaction is reversed already.")


class ReferenceReused(Conflict):
    """Another transaction, with other content, has this reference."""

    code = "reference-reused"

    def __init__(self) -> None:
        super().__init__("Another transaction, with other content, has this reference.")
