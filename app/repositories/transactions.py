"""Transactions, with their entries. The ledger moves the money, see `ledger`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, case, exists, func, or_, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from app.db import Filter, ReferenceChecker, filters_on, sorts_on
from app.models import Entry, Hold, Transaction

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table
    from sqlalchemy.sql.selectable import ScalarSelect

    from app.db import Record

_TRANSACTIONS, _ENTRIES = Transaction.__table__, Entry.__table__


def _legs(table: Table, position: ColumnElement[object]) -> ScalarSelect[object]:
    leg = func.jsonb_build_object(
        "account_id", table.c.account_id, "currency", table.c.currency, "amount", table.c.amount
    )
    listed = aggregate_order_by(leg, position)
    return (
        select(func.jsonb_agg(listed))
        .where(table.c.transaction_id == _TRANSACTIONS.c.id)
        .scalar_subquery()
    )


_HOLD_LEGS = _legs(Hold.__table__, Hold.__table__.c.position)
_ENTRY_LEGS = _legs(_ENTRIES, _ENTRIES.c.seq)
_REVERSALS = Transaction.__table__.alias("reversals")
_REVERSED_BY = (
    select(_REVERSALS.c.id)
    .where(_REVERSALS.c.reverses_id == _TRANSACTIONS.c.id)
    .where(_REVERSALS.c.status.in_(("pending", "posted")))
    .scalar_subquery()
)


def _concerns(account_id: ColumnElement[object]) -> ColumnElement[bool]:
    """Whether the transaction has an entry or a hold of the account.

    Two separate EXISTS: for an account with many transactions PostgreSQL then tests only those of
    the page, and for an account with few it begins with these.
    """
    legs = (_ENTRIES, Hold.__table__)
    return or_(
        *(
            exists().where(t.c.transaction_id == _TRANSACTIONS.c.id, t.c.account_id == account_id)
            for t in legs
        )
    )


_OF_ACCOUNT = Filter(
    Entry.account_id.expression, UUID, {"eq": lambda _, account_id: _concerns(account_id)}
)


class TransactionRepository(ReferenceChecker[Transaction]):
    """A transaction's record has its `entries`: those of a posted one, and the holds of others."""

    model = Transaction
    filters = {"account_id": _OF_ACCOUNT} | filters_on(
        Transaction.kind,
        Transaction.status,
        Transaction.conversation_id,
        Transaction.task_id,
        Transaction.reverses_id,
        Transaction.reference,
        Transaction.needs_approval,
        Transaction.approved_by_id,
        Transaction.created_by_id,
        Transaction.expires_at,
        Transaction.posted_at,
        Transaction.created_at,
        Transaction.updated_at,
    )
    sorts = sorts_on(
        Transaction.created_at,
        Transaction.updated_at,
        Transaction.posted_at,
        Transaction.expires_at,
    )
    searched = Transaction.description.expression

    @property
    def columns(self) -> list[ColumnElement[object]]:
        booked = case((_TRANSACTIONS.c.status == "posted", _ENTRY_LEGS), else_=_HOLD_LEGS)
        return [*super().columns, booked.label("entries"), _REVERSED_BY.label("reversed_by_id")]

    def with_reference(self, connection: Connection, reference: str) -> Record | None:
        """The transaction with this reference of the client's, with its `content_hash`."""
        row = connection.execute(_BY_REFERENCE, {"reference": reference}).one_or_none()
        return None if row is None else row._asdict()


_BY_REFERENCE = select(*TransactionRepository().columns, _TRANSACTIONS.c.content_hash).where(
    _TRANSACTIONS.c.reference == bindparam("reference")
)
