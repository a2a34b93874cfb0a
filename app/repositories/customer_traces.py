"""Finds and locks all rows about a customer, also rows that were moved to another one since.

The order of locks is that of all services: customer, conversations, tasks, transactions, accounts.
A service that adds a row to one of these locks it FOR SHARE, so nobody adds to a row that is
locked here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import (
    ARRAY,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    cast,
    func,
    or_,
    select,
    true,
    union,
    union_all,
)

from app.domain.accounts import AccountStatus
from app.domain.conversations import statuses_for
from app.domain.tasks import OPEN
from app.models import (
    Account,
    Conversation,
    Customer,
    Entry,
    Event,
    Hold,
    Message,
    Task,
    Todo,
    Transaction,
)
from app.models.events import before

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import ColumnElement, Connection, Select, Table

    from app.db import Resource

    Parameters = dict[str, UUID | list[UUID]]
    Traces = dict[type[Resource], list[UUID]]

_ACCOUNTS, _CONVERSATIONS, _MESSAGES = Account.__table__, Conversation.__table__, Message.__table__
_TASKS, _TODOS, _TRANSACTIONS = Task.__table__, Todo.__table__, Transaction.__table__
_EVENTS = Event.__table__
_CUSTOMER = bindparam("customer", type_=Uuid)
_OWN_ACCOUNTS = select(_ACCOUNTS.c.id).where(_ACCOUNTS.c.customer_id == _CUSTOMER)


def among(column: ColumnElement[object], name: str) -> ColumnElement[bool]:
    """Whether the column is one of the ids in the parameter `name`, which is an array."""
    return column == any_(bindparam(name, type_=ARRAY(Uuid)))


def _moved(table: Table, name: str, *conditions: ColumnElement[bool]) -> Select[UUID]:
    """The ids of the table's rows whose events say that field `name` changed, and that its value
    before the change meets the conditions."""
    return select(_EVENTS.c.object_id.label("id")).where(
        _EVENTS.c.object_type == table.name, before(name).is_not(None), *conditions
    )


_FORMER = _moved(
    _CONVERSATIONS, "customer_id", before("customer_id") == cast(_CUSTOMER, Text)
).distinct()


def _in_conversations(table: Table) -> ColumnElement[bool]:
    """Whether a row is in a conversation of the customer.

    Or in a former one of theirs, and older than the change that gave it to another customer.
    """
    given_away = select(func.max(_EVENTS.c.occurred_at)).where(
        _EVENTS.c.object_id == table.c.conversation_id,
        before("customer_id") == cast(_CUSTOMER, Text),
    )
    was_theirs = and_(
        among(table.c.conversation_id, "former"),
        table.c.created_at < given_away.scalar_subquery(),
    )
    return or_(among(table.c.conversation_id, "conversations"), was_theirs)


def _from_conversations(table: Table) -> ColumnElement[bool]:
    """Whether a row is in a conversation of the customer, or was before it was moved."""
    ids = cast(bindparam("conversations", type_=ARRAY(Uuid)), ARRAY(Text))
    moved = _moved(table, "conversation_id", before("conversation_id") == any_(ids))
    return or_(_in_conversations(table), table.c.id.in_(moved))


def _locked(table: Table, *conditions: ColumnElement[bool]) -> Select[UUID]:
    found = select(table.c.id).where(*conditions).order_by(table.c.id)
    return found.with_for_update(key_share=True, of=table)


_below = select(_TASKS.c.id).where(_from_conversations(_TASKS)).cte(recursive=True)
_child = union_all(
    select(_TASKS.c.id).where(_TASKS.c.parent_id == _below.c.id),
    _moved(_TASKS, "parent_id", before("parent_id") == cast(_below.c.id, Text)),
).lateral("child")
_below = _below.union(select(_child.c.id).select_from(_below.join(_child, true())))
# Programs may have written the customer's id into a task that refers to the customer in no other
# column. No index has these texts: PostgreSQL reads all tasks.
_FREE_TEXTS = ("input", "metadata_", "output", "progress", "error", "dedupe_key")
_NAMES_CUSTOMER = (
    func.strpos(
        func.lower(func.concat_ws(" ", *(_TASKS.c[name] for name in _FREE_TEXTS))),
        cast(_CUSTOMER, Text),
    )
    > 0
)
_TRANSACTIONS_ABOUT = union(
    *(
        select(legs.c.transaction_id).where(legs.c.account_id.in_(_OWN_ACCOUNTS))
        for legs in (Entry.__table__, Hold.__table__)
    ),
    select(_TRANSACTIONS.c.id).where(
        or_(_in_conversations(_TRANSACTIONS), _TRANSACTIONS.c.task_id.in_(select(_below.c.id)))
    ),
)
# Messages that the customer wrote stay theirs where the conversation is another customer's by now.
_MESSAGES_ABOUT = union(
    select(_MESSAGES.c.id).where(_in_conversations(_MESSAGES)),
    select(_MESSAGES.c.id).where(_MESSAGES.c.author_id == _CUSTOMER),
)

_LOCK = select(Customer.id).where(Customer.id == _CUSTOMER).with_for_update()
_IS_OWN = _CONVERSATIONS.c.customer_id == _CUSTOMER
_LOCK_CONVERSATIONS = _locked(_CONVERSATIONS, or_(_IS_OWN, _CONVERSATIONS.c.id.in_(_FORMER)))
_OWN_CONVERSATIONS = select(_CONVERSATIONS.c.id).where(_IS_OWN)
_LOCK_TASKS = _locked(_TASKS, or_(_TASKS.c.id.in_(select(_below.c.id)), _NAMES_CUSTOMER))
_OTHERS: dict[type[Resource], Select[UUID]] = {
    Todo: _locked(_TODOS, _from_conversations(_TODOS)),
    Transaction: _locked(
        _TRANSACTIONS, _TRANSACTIONS.c.id.in_(_TRANSACTIONS_ABOUT.scalar_subquery())
    ),
    Account: _locked(_ACCOUNTS, _ACCOUNTS.c.customer_id == _CUSTOMER),
    Message: select(_MESSAGES.c.id).where(_MESSAGES.c.id.in_(_MESSAGES_ABOUT.scalar_subquery())),
}

_UNFINISHED = {
    "accounts that are not closed": select(func.count()).where(
        _ACCOUNTS.c.customer_id == _CUSTOMER, _ACCOUNTS.c.status != AccountStatus.CLOSED
    ),
    "conversations that are not resolved": select(func.count()).where(
        _CONVERSATIONS.c.customer_id == _CUSTOMER,
        _CONVERSATIONS.c.status.in_(statuses_for("resolve")),
        _CONVERSATIONS.c.deleted_at.is_(None),
    ),
    "tasks that have not ended": select(func.count()).where(
        among(_TASKS.c.id, "tasks"), _TASKS.c.status.in_(OPEN), _TASKS.c.deleted_at.is_(None)
    ),
}
_COUNTS = select(*(count.scalar_subquery().label(name) for name, count in _UNFINISHED.items()))


class CustomerTraces:
    def lock(self, connection: Connection, key: UUID) -> bool:
        """Lock the customer, live or deleted; False for an unknown id."""
        return connection.execute(_LOCK, {"customer": key}).one_or_none() is not None

    def find(self, connection: Connection, key: UUID) -> Traces:
        """The ids of all rows about a locked customer, by model.

        Locks them too, but for messages, which only a locked conversation can get or lose.
        """
        bound: Parameters = {"customer": key}
        conversations = _all_ids(connection, _LOCK_CONVERSATIONS, bound)
        own = _ids(connection, _OWN_CONVERSATIONS, bound)
        bound |= {"conversations": own, "former": sorted(set(conversations) - set(own))}
        tasks = _all_ids(connection, _LOCK_TASKS, bound)
        others = {model: _ids(connection, statement, bound) for model, statement in _OTHERS.items()}
        return {Customer: [key], Conversation: conversations, Task: tasks, **others}

    def unfinished(
        self, connection: Connection, key: UUID, tasks: Sequence[UUID]
    ) -> dict[str, int]:
        """The numbers of rows that prevent an erasure, by what they are.

        `tasks` are those that `find` returned.
        """
        row = connection.execute(_COUNTS, {"customer": key, "tasks": list(tasks)}).one()
        return {name: count for name, count in row._asdict().items() if count}


def _all_ids(connection: Connection, statement: Select[UUID], bound: Parameters) -> list[UUID]:
    """Repeats the statement until it finds the same ids: others commit while it waits for locks."""
    ids: list[UUID] = []
    while (found := _ids(connection, statement, bound)) != ids:
        ids = found
    return ids


def _ids(connection: Connection, statement: Select[UUID], bound: Parameters) -> list[UUID]:
    return list(connection.execute(statement, bound).scalars())
