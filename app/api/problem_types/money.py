"""Problems with the state of accounts and transactions."""

from __future__ import annotations

from app.api.kit.problem_type import of_error
from app.domain.accounts import (
    AccountClosed,
    AccountFrozen,
    AccountNotEmpty,
    BalanceOutOfRange,
    InsufficientFunds,
)
from app.domain.money import CurrencyMismatch
from app.domain.transactions import AlreadyReversed, ApprovalRequired, ReferenceReused

MONEY = (
    of_error(
        AccountNotEmpty(),
        "The account has money, owes money, or has a pending transaction.",
        "Bring its balance to zero, and post or void its pending transactions. Then close it.",
    ),
    of_error(
        AccountClosed(),
        "An account of the request is closed, for good.",
        "Use another account.",
    ),
    of_error(
        AccountFrozen(),
        "An account of the request is frozen: no money enters or leaves it.",
        "Unfreeze the account, if it may be used again.",
    ),
    of_error(
        InsufficientFunds(),
        "The account would be below its overdraft limit. Held money is not available.",
        "Send a smaller amount, bring money in, or raise the limit. Nothing was moved.",
    ),
    of_error(
        BalanceOutOfRange(),
        "The balance would be larger than the service can keep.",
        "Send a smaller amount.",
    ),
    of_error(
        CurrencyMismatch("GBP", "EUR"),
        "The currency of an amount is not the one of its account.",
        "Send amounts in the currency of the account.",
    ),
    of_error(
        ApprovalRequired(),
        "The amount is over the firm's threshold, and nobody has approved the transaction.",
        "Another user than its creator has to approve it.",
    ),
    of_error(
        AlreadyReversed(),
        "The transaction was reversed before.",
        "`reversed_by_id` of the transaction names the reversal.",
    ),
    of_error(
        ReferenceReused(),
        "Another transaction has this reference, with other content.",
        "If it is another transaction, send it with a reference of its own.",
    ),
)
