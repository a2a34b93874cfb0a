"""Accounts: a new one, its limit and number, and what may be done to it when."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypedDict

from app.db.errors import Conflict, Invalid, Mistake
from app.domain.money import CurrencyMismatch, Money
from app.domain.unset import UNSET, Unset
from app.errors import InvalidTransition

if TYPE_CHECKING:
    from uuid import UUID


class AccountStatus(StrEnum):
    OPEN = "open"
    FROZEN = "frozen"  # nothing goes in or out
    CLOSED = "closed"  # for good


_ACTIONS = {
    "update": {AccountStatus.OPEN, AccountStatus.FROZEN},
    "freeze": {AccountStatus.OPEN},
    "unfreeze": {AccountStatus.FROZEN},
    "close": {AccountStatus.OPEN, AccountStatus.FROZEN},
}
_NUMBER_LENGTH = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """An account to open: a customer's, or without `customer_id` one of the firm's own.

    `overdraft_limit` None is no limit at all, which only the firm's own accounts may have. Without
    any, a customer's account has a limit of zero, and one of the firm's has none.
    """

    name: str
    currency: str
    customer_id: UUID | None = None
    overdraft_limit: Money | Unset | None = UNSET
    stores_balance: bool = True

    def limit(self) -> int | None:
        """The overdraft limit in minor units; raises CurrencyMismatch, Invalid."""
        limit = self.overdraft_limit
        if isinstance(limit, Unset):
            limit = None if self.customer_id is None else Money(0, self.currency)
        return checked_limit(
            limit,
            currency=self.currency,
            customer_id=self.customer_id,
            stores_balance=self.stores_balance,
        )


class AccountChanges(TypedDict, total=False):
    """The fields of an account to change: an absent one keeps its value."""

    name: str
    overdraft_limit: Money | None


def checked_limit(
    limit: Money | None, *, currency: str, customer_id: UUID | None, stores_balance: bool
) -> int | None:
    """The limit of such an account in minor units; raises CurrencyMismatch, Invalid."""
    if limit is None:
        if customer_id is not None:
            detail = "Only the firm's own accounts can have no limit."
            raise _invalid("overdraft_limit", "null", detail)
        return None
    if limit.currency != currency:
        raise CurrencyMismatch(currency, limit.currency)
    if limit.minor < 0:
        raise _invalid("overdraft_limit", "range", "It must not be negative.")
    if not stores_balance:
        detail = "Only a firm's own account without a limit can have no stored balance."
        raise _invalid("stores_balance", "invalid", detail)
    return limit.minor


def check_account_action(action: str, status: str) -> None:
    """Raises InvalidTransition; AccountClosed where a closed account is to be updated."""
    if action == "update" and status == AccountStatus.CLOSED:
        raise AccountClosed
    allowed = [name for name, statuses in _ACTIONS.items() if status in statuses]
    if action not in allowed:
        raise InvalidTransition("account", action, status, allowed)


def account_number(serial: int) -> str:
    """Ten digits and the two check digits of ISO 7064 MOD 97-10, those of an IBAN.

    The check digits reveal every single wrong digit and every two digits that were swapped.
    """
    return f"{serial:010}{98 - serial * 100 % 97:02}"


def is_account_number(text: str) -> bool:
    digits = len(text) == _NUMBER_LENGTH and text.isascii() and text.isdigit()
    return digits and int(text) % 97 == 1


def _invalid(field: str, code: str, detail: str) -> Invalid:
    return Invalid([Mistake((field,), code, detail)])


class AccountNotEmpty(Conflict):
    code = "account-not-empty"

    def __init__(self) -> None:
        super().__init__(
            "Only an account with a zero balance and no pending transactions can be closed."
        )


class AccountClosed(Conflict):
    code = "account-closed"

    def __init__(self) -> None:
        super().__init__("The account is closed.")


class AccountFrozen(Conflict):
    code = "account-frozen"

    def __init__(self) -> None:
        super().__init__("The account is frozen: no money goes in or out.")


class InsufficientFunds(Conflict):
    code = "insufficient-funds"

    def __init__(self) -> None:
        super().__init__("The account would be below its overdraft limit.")


class BalanceOutOfRange(Conflict):
    code = "balance-out-of-range"

    def __init__(self) -> None:
        super().__init__("The balance would be larger than the database can store.")
