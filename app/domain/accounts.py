"""The life of an account, and its number."""

from __future__ import annotations

from enum import StrEnum

from app.db.errors import Conflict
from app.errors import InvalidTransition


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


def check_account_action(action: str, status: str) -> None:
    """Raises InvalidTransition; AccountClosed where a closed account is to be updated."""
    if action == "update" and status == AccountStatus.CLOSED:
        raise AccountClosed
    allowed = [name for name, statuses in _ACTIONS.items() if status in statuses]
    if action not in allowed:
        raise InvalidTransition("account", action, status, allowed)


def account_number(serial: int) -> str:
    """Ten digits and the two check digits of ISO 7064 MOD 97-10, those of an IBAN.

    They tell of every wrong digit and of every two that changed places.
    """
    return f"{serial:010}{98 - serial * 100 % 97:02}"


def is_account_number(text: str) -> bool:
    digits = len(text) == _NUMBER_LENGTH and text.isascii() and text.isdigit()
    return digits and int(text) % 97 == 1


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
