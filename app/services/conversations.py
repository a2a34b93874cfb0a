from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, cast

from app.db import Query, retry
from app.domain.agents import HANDED_OFF, assignment_action
from app.domain.conversations import (
    ConversationMerged,
    ConversationMismatch,
    ConversationStatus,
    check_conversation_action,
)
from app.domain.known_states import KnownStates
from app.errors import NotFound
from app.models import Conversation
from app.repositories import (
    AgentRepository,
    ConversationRepository,
    CustomerRepository,
    TaskRepository,
)
from app.services.agents import AgentService
from app.services.conversation_clocks import clocks_after, first_clocks
from app.services.kit.creates import Adds
from app.services.kit.deletes import Deletes, Restores
from app.services.kit.fields import NO_ROW, fields_of, reference_in
from app.services.kit.permissions import (
    READERS,
    READERS_AND_AGENTS,
    SYSTEM_ONLY,
    WRITERS,
    Roles,
    allowed,
)
from app.services.kit.reads import Reads, read_page
from app.services.kit.updates import Updates

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Unpack
    from uuid import UUID

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from app.db import Page, Record, Total
    from app.db.repository.writing import Changes
    from app.domain.conversations import ConversationChanges, ConversationEffects, NewConversation
    from app.services.conversation_clocks import ConversationRow
    from app.services.kit.fields import Fields


@dataclass(frozen=True, kw_only=True)
class ConversationService(
    Reads[Conversation],
    Adds[Conversation],
    Updates[Conversation],
    Deletes[Conversation],
    Restores[Conversation],
):
    """Conversations as a resource; `ConversationOpener` opens them, `ConversationLifecycle` acts.

    Every change goes through `completed`, which keeps the clocks: by `apply`, or for many rows at
    once by `ConversationBatchService`.
    """

    readers: ClassVar[Roles] = READERS_AND_AGENTS
    listers: ClassVar[Roles] = READERS
    writers: ClassVar[Roles] = WRITERS
    repository: ConversationRepository = ConversationRepository()
    customers: CustomerRepository = CustomerRepository()
    agents: AgentRepository = AgentRepository()
    tasks: TaskRepository = TaskRepository()

    def open(self, session: Session, new: NewConversation) -> Conversation:
        """Add it without its message and task, in the open unit of work, and start its clocks."""
        now = datetime.now(UTC)
        clocks = first_clocks(self.rules.service_levels, new.priority, now)
        values = {**fields_of(new), **clocks, "status_changed_at": now}
        for apart in ("message", "task"):
            values.pop(apart, None)
        return self.add(session, values)

    @allowed("listers")
    @retry
    def of_customer(
        self, key: UUID, query: Query, *, total: bool = False
    ) -> tuple[Page[Record], Total | None]:
        self.require_admin_for_deleted(include_deleted=query.include_deleted)
        with self.database.connect(read_only=True) as connection:
            if not self.customers.exists(connection, key):
                raise NotFound("customers", key)
            of = replace(query, filters={**query.filters, "customer_id": key})
            return read_page(connection, self.repository, of, total=total)

    @allowed(SYSTEM_ONLY)
    @retry
    def whole(self, key: UUID) -> Conversation:
        """The conversation with its customer, assignee, messages and tasks loaded."""
        with self.database.session(read_only=True) as session:
            self.require_visible(session.connection(), key)
            conversation = self.repository.whole(session, key)
            if conversation is None:
                raise NotFound("conversations", key)
            return conversation

    @allowed(SYSTEM_ONLY)
    @retry
    def with_people(self, query: Query) -> Page[Conversation]:
        """A page, each with its customer and assignee loaded."""
        with self.database.session(read_only=True) as session:
            return self.repository.with_people(session, query)

    def visible_to_agent(self, connection: Connection, keys: Collection[UUID]) -> Collection[UUID]:
        return self.tasks.conversations_of(connection, self.agent_id, keys)

    def apply(
        self,
        session: Session,
        entity: Conversation,
        values: Fields,
        *,
        expected: Collection[int] | None = None,
        action: str = "updated",
    ) -> Changes:
        self.check_expected(entity, expected)
        complete = self.completed(entity, cast("ConversationChanges", values))
        if self._hands_off(session.connection(), entity, complete):
            action = HANDED_OFF
        was = entity.status
        changes = super().apply(session, entity, complete, action=action)
        if changes and action in ("updated", HANDED_OFF):
            check_conversation_action("update", was)
        return changes

    @allowed("writers")
    @retry
    def remove(self, key: UUID, *, expected: Collection[int] | None = None) -> None:
        with self.database.session() as session:
            found = None if expected is None else self.repository.get(session, key, lock=True)
            if found is not None:
                self.check_expected(found, expected)
            super().remove(key, expected=expected)

    def check_expected(self, entity: Conversation, expected: Collection[int] | None) -> None:
        """Raises ConversationMismatch where a locked conversation is not as the caller knows it.

        `KnownStates` name the last message too: a new one does not raise the version.
        """
        if isinstance(expected, KnownStates):
            expected = expected.at(entity.last_seq)
        if expected is not None and entity.version not in expected:
            raise ConversationMismatch(entity.version, entity.last_seq)

    def locked_for(
        self, session: Session, key: UUID, action: str, expected: Collection[int] | None = None
    ) -> Conversation:
        """The conversation, locked, in a status that allows the action.

        Raises NotFound, InvalidTransition and, before the action itself adds a message,
        ConversationMismatch.
        """
        conversation = self.locked(session, key)
        check_conversation_action(action, conversation.status)
        self.check_expected(conversation, expected)
        return conversation

    def completed(self, row: ConversationRow, changes: ConversationChanges) -> ConversationChanges:
        """`changes`, and all else that changes with them in a conversation that is as `row`."""
        complete: ConversationChanges = {
            **changes,
            **clocks_after(self.rules.service_levels, row, changes),
        }
        if changes.get("assignee_id", row.assignee_id) != row.assignee_id:
            complete.setdefault("assignment_reason", None)  # it was for the old assignee
        return complete

    def moved(
        self,
        row: ConversationRow,
        status: ConversationStatus,
        **more: Unpack[ConversationEffects],
    ) -> ConversationChanges:
        """The changes of a conversation that gets this status now, with those of `more`."""
        given = {"snoozed_until": None, **more, "status": status}
        changes = cast("ConversationChanges", given)
        if status != row.status:
            changes["status_changed_at"] = datetime.now(UTC)
        return changes

    def move(
        self,
        session: Session,
        entity: Conversation,
        status: ConversationStatus,
        *,
        action: str,
        **more: Unpack[ConversationEffects],
    ) -> Changes:
        """Give a locked conversation this status now, and make the changes of `more`."""
        return self.apply(session, entity, self.moved(entity, status, **more), action=action)

    def _hands_off(
        self, connection: Connection, entity: Conversation, changes: ConversationChanges
    ) -> bool:
        old, new = entity.assignee_id, changes.get("assignee_id", entity.assignee_id)
        if old is None or new is None or old == new:
            return False
        kinds = self.agents.kinds(connection, {old, new})
        return assignment_action(kinds.get(old), kinds.get(new)) == HANDED_OFF

    def check_not_merged(self, connection: Connection, values: Fields) -> None:
        """Raises ConversationMerged where `conversation_id` names one that was merged."""
        key = reference_in(values, "conversation_id")
        found = None if key is None else self.repository.record(connection, key)
        if found is not None and found["merged_into_id"] is not None:
            raise ConversationMerged(found["merged_into_id"])

    def check_live(self, connection: Connection, values: Fields, row: Fields = NO_ROW) -> Fields:
        """A restored conversation loses an assignee who gets no work any more.

        A closed one keeps its assignee, as history.
        """
        agents, assignee = self.related(AgentService), reference_in(row, "assignee_id")
        lost = False
        if (given := reference_in(values, "assignee_id")) is not None:
            agents.check_active(connection, given, "assignee_id")
        elif assignee is not None and row["status"] != ConversationStatus.CLOSED:
            lost = agents.why_unfit(connection, assignee, "assignee_id") is not None
        super().check_live(connection, values, {**row, "assignee_id": None})
        return {"assignee_id": None, "assignment_reason": None} if lost else NO_ROW
