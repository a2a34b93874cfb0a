"""Conversations: their locks, numbers of messages, merges and reassignments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import selectinload

from app.db import Repository, filters_on, sorts_on
from app.db.errors import TooManyRows
from app.db.repository import criteria
from app.models import Conversation

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import Connection, Row, Select
    from sqlalchemy.orm import Session

    from app.db import Page, Query

    Names = tuple[str, ...]
    Whole = Select[*tuple[object, ...]]

_CONVERSATIONS = Conversation.__table__

_NUMBERED = (
    update(_CONVERSATIONS)
    .where(_CONVERSATIONS.c.id == bindparam("key"))
    .values(last_seq=_CONVERSATIONS.c.last_seq + bindparam("count"))
    .returning(_CONVERSATIONS.c.last_seq)
)
_REDIRECT = (
    update(_CONVERSATIONS)
    .where(_CONVERSATIONS.c.merged_into_id == bindparam("source"))
    .values(merged_into_id=bindparam("target"))
    .returning(_CONVERSATIONS.c.id)
)
_MERGED = select(_CONVERSATIONS.c.id, _CONVERSATIONS.c.merged_into_id).where(
    _CONVERSATIONS.c.id.in_(bindparam("keys", expanding=True)),
    _CONVERSATIONS.c.merged_into_id.is_not(None),
)
_held = (
    select(_CONVERSATIONS.c.id, _CONVERSATIONS.c.assignee_id, _CONVERSATIONS.c.assignment_reason)
    .where(
        _CONVERSATIONS.c.assignee_id.in_(bindparam("agents", expanding=True)),
        _CONVERSATIONS.c.status != "closed",
        _CONVERSATIONS.c.deleted_at.is_(None),
    )
    .order_by(_CONVERSATIONS.c.id)
    .limit(bindparam("limit"))
    .with_for_update(key_share=True)
    .cte("held")
)
_REASSIGN = (
    update(_CONVERSATIONS)
    .where(_CONVERSATIONS.c.id == _held.c.id)
    .values(assignee_id=bindparam("to"), assignment_reason=None)
    .returning(_held)
)
_DUE = (
    select(Conversation)
    .where(
        Conversation.status == "snoozed",
        Conversation.deleted_at.is_(None),
        Conversation.snoozed_until <= func.statement_timestamp(),
    )
    .order_by(Conversation.snoozed_until)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True, key_share=True)
    .execution_options(populate_existing=True)
)
WHOLE = (selectinload(Conversation.messages), selectinload(Conversation.tasks))
PEOPLE = (selectinload(Conversation.customer), selectinload(Conversation.assignee))


class Reassigned(NamedTuple):
    """A conversation that was assigned to another agent, with its columns from before."""

    id: UUID
    assignee_id: UUID
    assignment_reason: str | None


class ConversationRepository(Repository[Conversation]):
    model = Conversation
    filters = filters_on(
        Conversation.number,
        Conversation.customer_id,
        Conversation.subject,
        Conversation.channel,
        Conversation.priority,
        Conversation.tags,
        Conversation.assignee_id,
        Conversation.status,
        Conversation.snoozed_until,
        Conversation.first_response_due_at,
        Conversation.first_responded_at,
        Conversation.resolution_due_at,
        Conversation.merged_into_id,
        Conversation.created_at,
        Conversation.updated_at,
    )
    sorts = sorts_on(
        Conversation.created_at,
        Conversation.updated_at,
        Conversation.number,
        Conversation.first_response_due_at,
        Conversation.resolution_due_at,
    )
    searched = Conversation.subject.expression

    def whole(self, session: Session, key: UUID) -> Conversation | None:
        """The conversation with its customer, assignee, messages and tasks, in five statements."""
        return self.get(session, key, load=(*PEOPLE, *WHOLE))

    def with_people(self, session: Session, query: Query) -> Page[Conversation]:
        """A page with customers and assignees, in three statements."""
        return self.page(session, query, load=PEOPLE)

    def lock_two(self, session: Session, one: UUID, other: UUID) -> dict[UUID, Conversation]:
        """The live ones of the two, by id; locked in the order of their ids."""
        return {found.id: found for found in self.get_many(session, {one, other}, lock=True)}

    def take_numbers(self, connection: Connection, key: UUID, count: int = 1) -> int:
        """Reserve the next `count` message numbers of a conversation, and return the last of them.

        Locks the conversation.
        """
        last: int = connection.execute(_NUMBERED, {"key": key, "count": count}).scalar_one()
        return last

    def redirect(self, connection: Connection, source: UUID, target: UUID) -> list[UUID]:
        """Point the conversations that were merged into `source` to `target`; returns their ids."""
        bound = {"source": source, "target": target}
        return list(connection.execute(_REDIRECT, bound).scalars())

    def reassign(
        self, connection: Connection, agents: Collection[UUID], to: UUID | None, *, at_most: int
    ) -> list[Reassigned]:
        """Assign all conversations of these agents that are not closed to `to`, or to nobody.

        Locks them in the order of their ids. Raises TooManyRows for more than `at_most`.
        """
        bound = {"agents": list(agents), "to": to, "limit": at_most + 1}
        reassigned = list(map(Reassigned._make, connection.execute(_REASSIGN, bound)))
        if len(reassigned) > at_most:
            raise TooManyRows(at_most)
        return reassigned

    def merged_among(self, connection: Connection, keys: Collection[UUID]) -> dict[UUID, UUID]:
        """The merged ones among these, each with the id that it was merged into."""
        found = connection.execute(_MERGED, {"keys": list(keys)})
        return {row.id: row.merged_into_id for row in found}

    def lock_in(
        self,
        connection: Connection,
        statuses: Collection[str],
        filters: Mapping[str, object],
        *,
        limit: int,
    ) -> Sequence[Row[Any]]:
        """Up to `limit` live rows of these statuses to which the filters apply.

        Returns whole rows, locked in the order of their ids.
        """
        bound = {"statuses": list(statuses), **self._bind(filters), "limit": limit}
        prepared = self._prepared(_lock_in, tuple(sorted(filters)))
        return connection.execute(prepared.statement, bound).all()

    def count_in(
        self, connection: Connection, statuses: Collection[str], filters: Mapping[str, object]
    ) -> int:
        """The number of live conversations of these statuses to which the filters apply."""
        bound = {"statuses": list(statuses), **self._bind(filters)}
        prepared = self._prepared(_count_in, tuple(sorted(filters)))
        count: int = prepared.scalar(connection, bound)
        return count

    def due(self, session: Session, *, limit: int) -> list[Conversation]:
        """Up to `limit` snoozed conversations to wake now, locked; skips those locked by others."""
        return list(session.scalars(_DUE, {"limit": limit}))


def _lock_in(repository: ConversationRepository, names: Names) -> Whole:
    statement = _fitting(repository, names).order_by(_CONVERSATIONS.c.id)
    return statement.limit(bindparam("limit")).with_for_update(key_share=True)


def _count_in(repository: ConversationRepository, names: Names) -> Select[int]:
    return _fitting(repository, names).with_only_columns(func.count())


def _fitting(repository: ConversationRepository, names: Names) -> Whole:
    return select(_CONVERSATIONS).where(
        _CONVERSATIONS.c.deleted_at.is_(None),
        _CONVERSATIONS.c.status.in_(bindparam("statuses", expanding=True)),
        *criteria.clauses(repository.filters, names),
    )
