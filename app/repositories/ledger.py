"""Moves money, in named SQL: locks accounts, and inserts transactions with their legs.

The order of locks is the transaction, then the accounts in the order of their ids: first those that
store their balance, for an update, then the others, FOR SHARE, so that nobody closes them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypedDict, cast
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, column, text
from sqlalchemy.dialects.postgresql import JSONB
from uuid_utils.compat import uuid7

from app.db import Prepared
from app.domain.money import Money
from app.domain.transactions import Leg
from app.models import Account, Transaction

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnClause, Connection
    from sqlalchemy.types import TypeEngine

    from app.db import Record

_ACCOUNTS, _TRANSACTIONS = Account.__table__, Transaction.__table__


class LockedAccount(TypedDict):
    """The columns of an account that decide whether money can move."""

    id: UUID
    customer_id: UUID | None
    currency: str
    status: str
    stores_balance: bool


class NewTransactionRow(TypedDict):
    """The columns of a new transaction. The database sets the others."""

    id: UUID
    kind: str
    description: str
    status: str  # "posted" or "pending"
    conversation_id: UUID | None
    task_id: UUID | None
    reverses_id: UUID | None
    reference: str | None
    content_hash: bytes | None
    expires_at: datetime | None
    needs_approval: bool
    post_when_approved: bool
    created_by_kind: str
    created_by_id: UUID | None
    created_by_name: str


_ACCOUNT_COLUMNS = tuple(LockedAccount.__annotations__)
_NEW_COLUMNS = tuple(NewTransactionRow.__annotations__)
_RETURNED = ", ".join(f"transactions.{c.name}" for c in _TRANSACTIONS.c)

_LOCK_ACCOUNTS = f"""
WITH changing AS (
    SELECT {", ".join(_ACCOUNT_COLUMNS)} FROM accounts
    WHERE id = ANY(:keys) AND stores_balance ORDER BY id FOR NO KEY UPDATE
), staying AS (
    SELECT {", ".join(_ACCOUNT_COLUMNS)} FROM accounts
    WHERE id = ANY(:keys) AND NOT stores_balance ORDER BY id FOR SHARE
)
SELECT * FROM changing UNION ALL SELECT * FROM staying
"""  # noqa: S608 - names of columns

_LEGS = """
jsonb_to_recordset(:legs)
    AS leg (id uuid, account_id uuid, currency text, amount bigint, position int)
"""
# A trigger makes the ids of entries.
_ADD_ENTRIES = f"""
    INSERT INTO entries (transaction_id, account_id, currency, amount)
    SELECT {{transaction}}.id, leg.account_id, leg.currency, leg.amount
    FROM {{transaction}}, {_LEGS} ORDER BY leg.position
"""  # noqa: S608 - same
_ADD_HOLDS = f"""
    INSERT INTO holds (id, transaction_id, account_id, currency, amount, position)
    SELECT leg.id, {{transaction}}.id, leg.account_id, leg.currency, leg.amount, leg.position
    FROM {{transaction}}, {_LEGS} ORDER BY leg.position
"""  # noqa: S608 - same

# With a reference that exists already, nothing is inserted: no transaction, and no legs.
_INSERT = f"""
WITH inserted AS (
    INSERT INTO transactions ({", ".join(_NEW_COLUMNS)}, posted_at)
    VALUES ({", ".join(f":{name}" for name in _NEW_COLUMNS)}, {{posted_at}})
    ON CONFLICT (reference) WHERE reference IS NOT NULL DO NOTHING
    RETURNING {_RETURNED}
), legs AS ({{add}})
SELECT * FROM inserted
"""  # noqa: S608 - same

_POST = f"""
WITH posted AS (
    UPDATE transactions SET status = 'posted', posted_at = statement_timestamp()
    WHERE id = :id RETURNING {_RETURNED}
), legs AS ({_ADD_ENTRIES.format(transaction="posted")})
SELECT * FROM posted
"""  # noqa: S608 - same

_APPROVE = f"""
UPDATE transactions SET approved_by_id = :approved_by_id WHERE id = :id RETURNING {_RETURNED}
"""  # noqa: S608 - same
_END = f"""
UPDATE transactions SET status = :status WHERE id = ANY(:ids) RETURNING {_RETURNED}
"""  # noqa: S608 - same

# Two statements in one message: the snapshot of the second is taken after the first has the lock.
_LOCK_TRANSACTION = f"""
SELECT FROM transactions WHERE id = :id FOR NO KEY UPDATE;
SELECT {_RETURNED}, coalesce(expires_at <= clock_timestamp(), false) AS is_due,
    (SELECT jsonb_agg(to_jsonb(holds) ORDER BY position) FROM holds
     WHERE transaction_id = transactions.id) AS held,
    (SELECT jsonb_agg(to_jsonb(entries) ORDER BY seq) FROM entries
     WHERE transaction_id = transactions.id) AS booked
FROM transactions WHERE id = :id
"""  # noqa: S608 - same

_LOCK_DUE = """
SELECT id, (SELECT array_agg(account_id) FROM holds WHERE transaction_id = transactions.id) AS keys
FROM transactions
WHERE status = 'pending' AND expires_at <= clock_timestamp()
ORDER BY expires_at LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
"""


def _typed(sql: str, *more: ColumnClause[object]) -> Prepared:
    """The statement with the types of its parameters and columns; `more` are further columns."""
    types: dict[str, TypeEngine[Any]] = {c.name: c.type for c in _TRANSACTIONS.c}
    types |= {"legs": JSONB(), "ids": ARRAY(Uuid)}
    named = [bindparam(name, type_=types.get(name)) for name in re.findall(r":(\w+)", sql)]
    returned = (column(c.name, c.type) for c in _TRANSACTIONS.c)
    return Prepared(text(sql).bindparams(*named).columns(*returned, *more))


_lock_accounts = Prepared(
    text(_LOCK_ACCOUNTS)
    .bindparams(bindparam("keys", type_=ARRAY(Uuid)))
    .columns(*(column(name, _ACCOUNTS.c[name].type) for name in _ACCOUNT_COLUMNS))
)
_insert = {
    "posted": _typed(
        _INSERT.format(
            posted_at="statement_timestamp()", add=_ADD_ENTRIES.format(transaction="inserted")
        )
    ),
    "pending": _typed(
        _INSERT.format(posted_at="NULL", add=_ADD_HOLDS.format(transaction="inserted"))
    ),
}
_post, _approve, _end = _typed(_POST), _typed(_APPROVE), _typed(_END)
_lock_transaction = _typed(
    _LOCK_TRANSACTION, column("is_due"), column("held", JSONB), column("booked", JSONB)
)
_lock_due = Prepared(text(_LOCK_DUE).columns(column("id", Uuid), column("keys", ARRAY(Uuid))))


class Ledger:
    def lock_accounts(
        self, connection: Connection, keys: Collection[UUID]
    ) -> dict[UUID, LockedAccount]:
        """Lock the accounts; returns them by id, unknown ids left out."""
        found = _lock_accounts.records(connection, {"keys": list(keys)})
        return {record["id"]: cast("LockedAccount", record) for record in found}

    def make(
        self, connection: Connection, values: NewTransactionRow, legs: Sequence[Leg]
    ) -> Record | None:
        """Insert a transaction with its legs; returns it, or None where its reference exists.

        The caller has locked the accounts. Raises what the triggers refuse: InsufficientFunds,
        AccountClosed, AccountFrozen, BalanceOutOfRange, Invalid.
        """
        return _insert[values["status"]].record(connection, {**values, "legs": _rows(legs)})

    def lock(self, connection: Connection, key: UUID) -> Record | None:
        """Lock a transaction; None for an unknown id.

        Its record has the legs, `held` and `booked`, and `is_due`: whether it has to expire.
        """
        record = _lock_transaction.record(connection, {"id": key})
        if record is None:
            return None
        return {**record, "held": _legs(record["held"]), "booked": _legs(record["booked"])}

    def post(self, connection: Connection, key: UUID, legs: Sequence[Leg]) -> Record:
        """Post a locked pending transaction with these legs; its holds end."""
        (posted,) = _post.records(connection, {"id": key, "legs": _rows(legs)})
        return posted

    def approve(self, connection: Connection, key: UUID, user_id: UUID) -> Record:
        """Store who has approved a locked transaction."""
        (approved,) = _approve.records(connection, {"id": key, "approved_by_id": user_id})
        return approved

    def end(self, connection: Connection, keys: Collection[UUID], status: str) -> list[Record]:
        """Set the status of locked pending transactions to "voided" or "expired"."""
        return _end.records(connection, {"ids": list(keys), "status": status})

    def lock_due(self, connection: Connection, *, limit: int) -> list[UUID]:
        """Lock up to `limit` expired pending transactions, then their accounts; returns the ids.

        Skips transactions that another unit has locked.
        """
        due = _lock_due.rows(connection, {"limit": limit})
        self.lock_accounts(connection, {key for _, keys in due for key in keys or ()})
        return [key for key, _ in due]


def _rows(legs: Sequence[Leg]) -> list[dict[str, object]]:
    return [
        {"id": uuid7(), **leg.columns, "position": position} for position, leg in enumerate(legs)
    ]


def _legs(rows: list[Record] | None) -> list[Leg]:
    return [
        Leg(UUID(row["account_id"]), Money(row["amount"], row["currency"])) for row in rows or ()
    ]
