"""Overwrites the personal data of a customer with fixed values.

Triggers keep messages, closed accounts and transactions from being changed, and allow exactly
these values.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from sqlalchemy import Text, case, cast, exists, or_, update

from app.db.marks import BOOKKEEPING, INTERNAL
from app.domain.accounts import AccountStatus
from app.domain.actors import ActorKind
from app.models import (
    Account,
    Conversation,
    Customer,
    Entry,
    Hold,
    Message,
    Task,
    TaskAttempt,
    Todo,
    Transaction,
)
from app.repositories.customer_traces import among

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from sqlalchemy import Connection
    from sqlalchemy.sql.dml import ReturningUpdate

    from app.db import Resource

    Overwritten = dict[type[Resource], dict[str, object]]

ERASED = "[erased]"
ERASED_PREFIX = "erased-"
"""Begins a value that must be unique; the id of the row follows."""

_MESSAGES, _TRANSACTIONS = Message.__table__, Transaction.__table__
_ATTEMPTS = TaskAttempt.__table__
_BY_CUSTOMER = _MESSAGES.c.author_kind == ActorKind.CUSTOMER
# Erase `reference` only where an account of the transaction is closed. A client that repeats such a
# transaction is refused by AccountClosed; for all others only the unique reference prevents it.
_HAS_CLOSED_ACCOUNT = or_(
    *(
        exists().where(
            legs.c.transaction_id == _TRANSACTIONS.c.id,
            legs.c.account_id == Account.id,
            Account.status == AccountStatus.CLOSED,
        )
        for legs in (Entry.__table__, Hold.__table__)
    )
)

# The new values by the attribute of the column.
ALWAYS: Overwritten = {
    Customer: {
        "reference": ERASED_PREFIX + cast(Customer.__table__.c.id, Text),
        "name": ERASED,
        "email": None,
        "phone": None,
        "attributes": {},
    },
    Conversation: {"assignment_reason": None},
    Task: {
        "input": {},
        "metadata_": {},
        "output": None,
        "error": None,
        "progress": None,
        "dedupe_key": None,
    },
    Todo: {"description": ERASED},
    Transaction: {
        "description": case((_TRANSACTIONS.c.description == "", ""), else_=ERASED),
        "reference": case((_HAS_CLOSED_ACCOUNT, None), else_=_TRANSACTIONS.c.reference),
        "content_hash": None,
    },
    Account: {"name": ERASED},
    Message: {
        "author_name": case((_BY_CUSTOMER, ERASED), else_=_MESSAGES.c.author_name),
        "external_id": case(
            (_MESSAGES.c.external_id.is_not(None), ERASED_PREFIX + cast(_MESSAGES.c.id, Text))
        ),
    },
}
WITH_MESSAGES: Overwritten = {
    Conversation: {"subject": ERASED, "tags": []},
    Message: {"body": ERASED},
}
"""The values that are overwritten as well where `messages` is true."""

_ERASE_ERRORS = (
    update(_ATTEMPTS)
    .where(among(_ATTEMPTS.c.task_id, "tasks"), _ATTEMPTS.c.error.is_not(None))
    .values(error=None)
)


class Erasure:
    def overwrite(
        self,
        connection: Connection,
        model: type[Resource],
        keys: Collection[UUID],
        *,
        messages: bool,
    ) -> list[UUID]:
        """Overwrite the personal columns of the rows with these ids.

        `messages` erases subjects, tags and bodies too. Returns the ids of the rows that had
        other values until now.
        """
        statement = _overwrite(model, messages=messages)
        return list(connection.execute(statement, {"keys": list(keys)}).scalars())

    def erase_errors(self, connection: Connection, tasks: Collection[UUID]) -> int:
        """Erase the errors of the attempts of these tasks; returns how many attempts had one."""
        return connection.execute(_ERASE_ERRORS, {"tasks": list(tasks)}).rowcount

    def fields(self, model: type[Resource], *, messages: bool) -> list[str]:
        """The names of the columns that are overwritten, as events have them."""
        columns = [model.__table__.c[name] for name in _values(model, messages=messages)]
        return [str(c.name) for c in columns if not c.info.keys() & {INTERNAL, BOOKKEEPING}]


def _values(model: type[Resource], *, messages: bool) -> dict[str, object]:
    return ALWAYS[model] | (WITH_MESSAGES.get(model, {}) if messages else {})


@lru_cache
def _overwrite(model: type[Resource], *, messages: bool) -> ReturningUpdate[UUID]:
    table = model.__table__
    values = _values(model, messages=messages)
    differs = or_(*(table.c[name].is_distinct_from(value) for name, value in values.items()))
    statement = update(table).where(among(table.c.id, "keys"), differs).values(values)
    return statement.returning(table.c.id)
