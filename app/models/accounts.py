"""The table of accounts."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, true
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Resource
from app.db.marks import BOOKKEEPING, INTERNAL, LIVE_WHILE, RULES
from app.domain.accounts import (
    AccountClosed,
    AccountNotEmpty,
    AccountStatus,
    BalanceOutOfRange,
    InsufficientFunds,
)
from app.models.base import CHANGED, PERSONAL, one_of
from app.models.types import MinorUnits

_BOOKKEEPING = {BOOKKEEPING: True}


class Account(Resource):
    """A customer's account or, without a customer, one of the firm's own. It is never deleted.

    Only triggers write `balance`, the sum of the entries, and `held`, the sum that pending
    transactions will take. With `stores_balance` false both stay 0: transactions then do not wait
    for the account's row, and a read sums its entries. Only an account of the firm without an
    overdraft limit can be so.
    """

    __tablename__ = "accounts"

    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customers.id"))
    name: Mapped[str] = mapped_column(info={PERSONAL: True})
    number: Mapped[str]
    currency: Mapped[str]
    overdraft_limit: Mapped[int | None] = mapped_column(MinorUnits)
    status: Mapped[str] = mapped_column(
        default=AccountStatus.OPEN, server_default=AccountStatus.OPEN
    )
    stores_balance: Mapped[bool] = mapped_column(default=True, server_default=true())
    balance: Mapped[int] = mapped_column(
        MinorUnits, default=0, server_default="0", info=_BOOKKEEPING
    )
    held: Mapped[int] = mapped_column(
        MinorUnits, default=0, server_default="0", info={BOOKKEEPING: True, INTERNAL: True}
    )

    __table_args__ = (
        CheckConstraint("char_length(name) BETWEEN 1 AND 200", name="name"),
        CheckConstraint("number ~ '^[0-9]{12}$' AND number::bigint % 97 = 1", name="number"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        CheckConstraint(
            "(overdraft_limit IS NOT NULL OR customer_id IS NULL)"
            " AND overdraft_limit BETWEEN 0 AND 1000000000000000",
            name="overdraft_limit",
        ),
        one_of("status", AccountStatus),
        CheckConstraint(
            "stores_balance OR customer_id IS NULL AND overdraft_limit IS NULL"
            " AND balance = 0 AND held = 0",
            name="stores_balance",
        ),
        CheckConstraint(
            "overdraft_limit IS NULL OR balance - held >= - overdraft_limit", name="funds"
        ),
        CheckConstraint(
            "balance BETWEEN '-1000000000000000000'::bigint AND 1000000000000000000",
            name="balance",
        ),
        CheckConstraint("held BETWEEN 0 AND 1000000000000000000", name="held"),
        UniqueConstraint("id", "currency", name="uq_accounts_id_currency"),
        {
            "info": {
                CHANGED: ("name", "overdraft_limit", "status", "balance", "held"),
                LIVE_WHILE: "accounts.status <> 'closed'",
                RULES: {
                    "ck_accounts_funds": InsufficientFunds,
                    "ck_accounts_balance": BalanceOutOfRange,
                    "ck_accounts_held": BalanceOutOfRange,
                    "accounts_closed": AccountClosed,
                    "accounts_not_empty": AccountNotEmpty,
                },
            }
        },
    )


Index("uq_accounts_number", Account.number, unique=True)
Index("ix_accounts_customer_id", Account.customer_id, Account.created_at)
Index("ix_accounts_created_at", Account.created_at, Account.id)
