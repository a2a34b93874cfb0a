"""Accounts, with their balances and what is available."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Sequence, bindparam, case, exists, func, or_, select, type_coerce

from app.db import Inserter, Updater, filters_on, sorts_on
from app.models import Account, Entry, Hold, Transaction
from app.models.types import MinorUnits

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from sqlalchemy import ColumnElement, Connection

    from app.db import Record

_ACCOUNTS, _ENTRIES = Account.__table__, Entry.__table__
_HOLDS, _TRANSACTIONS = Hold.__table__, Transaction.__table__
_NEXT_SERIAL = select(Sequence("account_numbers").next_value())

# For the few accounts whose row stores neither balance nor held amount.
_SUM_OF_ENTRIES = (
    select(func.coalesce(func.sum(_ENTRIES.c.amount), 0))
    .where(_ENTRIES.c.account_id == _ACCOUNTS.c.id)
    .scalar_subquery()
)
_SUM_OF_HOLDS = (
    select(func.coalesce(-func.sum(_HOLDS.c.amount), 0))
    .join(_TRANSACTIONS, _TRANSACTIONS.c.id == _HOLDS.c.transaction_id)
    .where(_HOLDS.c.account_id == _ACCOUNTS.c.id, _HOLDS.c.amount < 0)
    .where(_TRANSACTIONS.c.status == "pending")
    .scalar_subquery()
)


def _stored_or(column: ColumnElement[int], summed: ColumnElement[int]) -> ColumnElement[int]:
    return type_coerce(case((_ACCOUNTS.c.stores_balance, column), else_=summed), MinorUnits)


_BALANCE = _stored_or(_ACCOUNTS.c.balance, _SUM_OF_ENTRIES)
_AVAILABLE = type_coerce(_BALANCE - _stored_or(_ACCOUNTS.c.held, _SUM_OF_HOLDS), MinorUnits)


class AccountRepository(Inserter[Account], Updater[Account]):
    model = Account
    filters = filters_on(
        Account.customer_id,
        Account.name,
        Account.number,
        Account.currency,
        Account.status,
        Account.created_at,
        Account.updated_at,
    )
    sorts = sorts_on(Account.created_at, Account.updated_at, Account.name, Account.number)
    searched = Account.name + " " + Account.number

    @property
    def columns(self) -> list[ColumnElement[object]]:
        """With `available`: the balance less the amounts that pending transactions hold."""
        kept = [column for column in super().columns if column.key != "balance"]
        return [*kept, _BALANCE.label("balance"), _AVAILABLE.label("available")]

    def next_serial(self, connection: Connection) -> int:
        """The next value of a sequence, of which the number of a new account consists."""
        serial: int = connection.execute(_NEXT_SERIAL).scalar_one()
        return serial

    def with_numbers(self, connection: Connection, numbers: Collection[str]) -> list[Record]:
        """The whole rows of the accounts that have these numbers, in any order."""
        rows = connection.execute(_WITH_NUMBERS, {"numbers": list(numbers)})
        return [row._asdict() for row in rows]

    def with_entries(self, connection: Connection, keys: Collection[UUID]) -> set[UUID]:
        """The ids of those of these accounts that have entries or holds."""
        return set(connection.execute(_WITH_ENTRIES, {"keys": list(keys)}).scalars())


_WITH_NUMBERS = select(_ACCOUNTS).where(
    _ACCOUNTS.c.number.in_(bindparam("numbers", expanding=True))
)
_WITH_ENTRIES = select(_ACCOUNTS.c.id).where(
    _ACCOUNTS.c.id.in_(bindparam("keys", expanding=True)),
    or_(*(exists().where(legs.c.account_id == _ACCOUNTS.c.id) for legs in (_ENTRIES, _HOLDS))),
)
