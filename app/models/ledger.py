"""The tables of entries and of holds."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    FetchedValue,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    func,
)
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from app.db import Identified
from app.db.errors import Invalid, Mistake
from app.db.marks import RULES, SIDE_EFFECTS
from app.domain.accounts import AccountClosed, AccountFrozen
from app.models.base import CHANGED
from app.models.types import MinorUnits


def _wrong(detail: str) -> partial[Invalid]:
    return partial(Invalid, [Mistake(("entries",), "unbalanced", detail)])


class LedgerRow(Identified):
    """One leg of a transaction, as it is stored: an amount on one account. It is never changed or
    deleted.
    """

    __abstract__ = True

    id: Mapped[UUID] = mapped_column(
        primary_key=True, default=uuid7, server_default=func.gen_random_uuid(), sort_order=-2
    )
    transaction_id: Mapped[UUID] = mapped_column(ForeignKey("transactions.id"))
    account_id: Mapped[UUID]
    currency: Mapped[str]
    amount: Mapped[int] = mapped_column(MinorUnits)


class Entry(LedgerRow):
    """A leg of a posted transaction. `balance` is that of the account after this entry.

    A trigger sets `seq`, which orders the entries of an account, and `created_at`, while it holds
    the lock on the account. It also updates the balance of the account.
    """

    __tablename__ = "entries"

    seq: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    balance: Mapped[int | None] = mapped_column(MinorUnits, server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue(), sort_order=90)

    __table_args__ = (
        ForeignKeyConstraint(["account_id", "currency"], ["accounts.id", "accounts.currency"]),
        CheckConstraint(
            "amount <> 0 AND amount BETWEEN '-1000000000000000'::bigint AND 1000000000000000",
            name="amount",
        ),
        {
            "info": {
                CHANGED: (),
                SIDE_EFFECTS: True,
                RULES: {
                    "entries_unbalanced": _wrong("They do not sum to zero, or are too few."),
                    "entries_account_closed": AccountClosed,
                    "entries_account_frozen": AccountFrozen,
                },
            }
        },
    )


class Hold(LedgerRow):
    """A leg of a transaction that is, or was, pending."""

    __tablename__ = "holds"

    position: Mapped[int]

    __table_args__ = (
        ForeignKeyConstraint(["account_id", "currency"], ["accounts.id", "accounts.currency"]),
        CheckConstraint(
            "amount <> 0 AND amount BETWEEN '-1000000000000000'::bigint AND 1000000000000000",
            name="amount",
        ),
        {
            "info": {
                CHANGED: (),
                SIDE_EFFECTS: True,
                RULES: {
                    "holds_unbalanced": _wrong("They do not sum to zero, or are too few."),
                    "holds_account_closed": AccountClosed,
                    "holds_account_frozen": AccountFrozen,
                },
            }
        },
    )


Index("uq_entries_account_id_seq", Entry.account_id, Entry.seq, unique=True)
Index("ix_entries_account_id_created_at", Entry.account_id, Entry.created_at)
Index("ix_entries_transaction_id", Entry.transaction_id)
Index("ix_holds_transaction_id", Hold.transaction_id)
Index("ix_holds_account_id", Hold.account_id)
