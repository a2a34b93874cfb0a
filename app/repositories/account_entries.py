"""The entries of an account, as its statement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, select

from app.db import Reader, filters_on, sorts_on
from app.models import Entry, Transaction

if TYPE_CHECKING:
    from sqlalchemy.sql.selectable import ScalarSelect

_ENTRIES, _TRANSACTIONS = Entry.__table__, Transaction.__table__


def _of_transaction(name: str) -> ScalarSelect[object]:
    wanted = select(_TRANSACTIONS.c[name]).where(_TRANSACTIONS.c.id == _ENTRIES.c.transaction_id)
    return wanted.scalar_subquery()


class EntryRepository(Reader[Entry]):
    """The statement of an account: its entries, each with the balance after it."""

    model = Entry
    filters = filters_on(Entry.account_id, Entry.transaction_id, Entry.created_at)
    sorts = sorts_on(Entry.seq)

    @property
    def columns(self) -> list[ColumnElement[object]]:
        """With the `kind` and `description` of the entry's transaction."""
        names = ("kind", "description")
        return [*super().columns, *(_of_transaction(name).label(name) for name in names)]
