from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from app.db import Query, retry
from app.domain.agents import HANDED_OFF, assignment_action
from app.domain.clocks import STANDING_STILL, Clocks
from app.domain.conversations import (
    ConversationMerged,
    ConversationMismatch,
    ConversationStatus,
    Priority,
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
from app.services.kit.fields import NO_ROW
from app.services.kit.permissions import (
    READERS,
    READERS_AND_AGENTS,
    SYSTEM_ONLY,
    WRITERS,
    Roles,
    allowed,
)
from app.services.kit.reading import read_page
from app.services.kit.resources import ResourceService

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from uuid import UUID

    from sqlalchemy import Connection, Row
    from sqlalchemy.orm import Session

    from app.db import Page, Record, Total
    from app.db.repository.writing import Changes


@dataclass(frozen=True, kw_only=True)
class ConversationService(ResourceService[Conversation]):
    """Conversations as a resource; `ConversationLifecycle` moves them on.

    Every change that is made goes through `completed`, which keeps the clocks: by `apply`, or
    for many rows at once by `ConversationBatchService`.
    """

    readers: ClassVar[Roles] = READERS_AND_AGENTS
    listers: ClassVar[Roles] = READERS
    writers: ClassVar[Roles] = WRITERS
    repository: ConversationRepository = ConversationRepository()
    customers: CustomerRepository = CustomerRepository()
    agents: AgentRepository = AgentRepository()
    tasks: TaskRepository = TaskRepository()

    def add(self, session: Session, values: Mapping[str, Any]) -> Conversation:
        now = datetime.now(UTC)
        clocks = self.rules.service_levels.start(now, values.get("priority", Priority.NORMAL))
        return super().add(session, {**values, **_stored(clocks), "status_changed_at": now})

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
        """With its customer, assignee, messages and tasks loaded."""
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
        values: Mapping[str, Any],
        *,
        expected: Collection[int] | None = None,
        action: str = "updated",
    ) -> Changes:
        self.check_expected(entity, expected)
        complete = self.completed(entity, values)
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

        `KnownStates` name the last message too: a new one moves no version.
        """
        if isinstance(expected, KnownStates):
            expected = expected.at(entity.last_seq)
        if expected is not None and entity.version not in expected:
            raise ConversationMismatch(entity.version, entity.last_seq)

    def completed(
        self, entity: Conversation | Row[Any], values: Mapping[str, Any]
    ) -> dict[str, Any]:
        """`values`, and all else that changes with them in a conversation that is as `entity`."""
        complete = {**values, **self.clocks_after(entity, values)}
        if values.get("assignee_id", entity.assignee_id) != entity.assignee_id:
            complete.setdefault("assignment_reason", None)  # the old one was for somebody else
        return complete

    def moved(
        self, entity: Conversation | Row[Any], status: ConversationStatus, **values: Any
    ) -> dict[str, Any]:
        """What is set where a conversation gets this status, at this moment, and these values."""
        values = {"snoozed_until": None, **values, "status": status}
        if status != entity.status:
            values["status_changed_at"] = datetime.now(UTC)
        return values

    def _hands_off(
        self, connection: Connection, entity: Conversation, values: Mapping[str, Any]
    ) -> bool:
        old, new = entity.assignee_id, values.get("assignee_id", entity.assignee_id)
        if old is None or new is None or old == new:
            return False
        kinds = self.agents.kinds(connection, {old, new})
        return assignment_action(kinds.get(old), kinds.get(new)) == HANDED_OFF

    def move(
        self,
        session: Session,
        entity: Conversation,
        status: ConversationStatus,
        *,
        action: str,
        **values: Any,
    ) -> Changes:
        """Give a locked conversation this status, at this moment, and these values."""
        values = self.moved(entity, status, **values)
        return self.apply(session, entity, values, action=action)

    def check_not_merged(self, connection: Connection, values: Mapping[str, Any]) -> None:
        """What is about a conversation is about the one that it goes on in: ConversationMerged."""
        key = values.get("conversation_id")
        found = None if key is None else self.repository.record(connection, key)
        if found is not None and found["merged_into_id"] is not None:
            raise ConversationMerged(found["merged_into_id"])

    def clocks_after(
        self, entity: Conversation | Row[Any], values: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What becomes of the clocks where these values are set."""
        levels, clocks = self.rules.service_levels, _clocks_of(entity)
        if clocks is None:
            return {}
        if "priority" in values:
            clocks = levels.retarget(clocks, entity.priority, values["priority"])
        if values.get("first_responded_at") is not None:
            clocks = levels.respond(clocks, values["first_responded_at"])
        if "status_changed_at" in values:
            turn = levels.stop if values["status"] in STANDING_STILL else levels.resume
            clocks = turn(clocks, values["status_changed_at"])
        return _stored(clocks)

    def check_live(
        self, connection: Connection, values: Mapping[str, Any], row: Mapping[str, Any] = NO_ROW
    ) -> Mapping[str, Any]:
        """One that comes back is nobody's where its assignee gets no work any more.

        The assignee of a closed one is history.
        """
        agents, assignee = self.related(AgentService), row.get("assignee_id")
        lost = False
        if values.get("assignee_id") is not None:
            agents.check_active(connection, values["assignee_id"], "assignee_id")
        elif assignee is not None and row["status"] != ConversationStatus.CLOSED:
            lost = agents.why_unfit(connection, assignee, "assignee_id") is not None
        super().check_live(connection, values, {**row, "assignee_id": None})
        return {"assignee_id": None, "assignment_reason": None} if lost else NO_ROW


def _clocks_of(entity: Conversation | Row[Any]) -> Clocks | None:
    if entity.first_response_due_at is None or entity.resolution_due_at is None:
        return None
    return Clocks(
        entity.first_response_due_at,
        entity.resolution_due_at,
        entity.first_responded_at,
        entity.resolution_left,
    )


def _stored(clocks: Clocks) -> dict[str, Any]:
    return {
        "first_response_due_at": clocks.first_response_due_at,
        "first_responded_at": clocks.first_responded_at,
        "resolution_due_at": clocks.resolution_due_at,
        "resolution_left": clocks.resolution_left,
    }
