from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from app.db import retry
from app.domain.agents import AgentKind, assignment_action
from app.domain.conversations import ConversationStatus
from app.domain.tasks import TaskStatus
from app.errors import Forbidden, InUse, Invalid, Mistake, NotFound, UnknownReference
from app.models import Agent, Conversation, Task, Token
from app.repositories import (
    AgentRepository,
    ConversationRepository,
    TaskQueue,
    TaskRepository,
    TokenRepository,
)
from app.repositories.locks import lock_name
from app.services.changes import differences
from app.services.permissions import AGENTS, READERS, SYSTEM_ONLY, WRITERS, Roles, allowed
from app.services.reading import read_one
from app.services.resources import ResourceService

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from uuid import UUID

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from app.repositories import Record
    from app.repositories.base import Changes

_MOST_HANDED_OVER = 100_000  # conversations of one agent


@dataclass(frozen=True, kw_only=True)
class AgentService(ResourceService[Agent]):
    """Who is deactivated lets go of all that they hold, in the same unit of work."""

    readers: ClassVar[Roles] = READERS
    listers: ClassVar[Roles] = READERS
    writers: ClassVar[Roles] = WRITERS
    repository: AgentRepository = AgentRepository()
    queue: TaskQueue = TaskQueue()
    tasks: TaskRepository = TaskRepository()
    conversations: ConversationRepository = ConversationRepository()
    tokens: TokenRepository = TokenRepository()

    @allowed(AGENTS)
    @retry
    def me(self) -> Record:
        """The agent who is acting."""
        if self.actor.id is None:
            raise NotFound("agents", self.actor.name)
        with self.database.connect(read_only=True) as connection:
            return read_one(connection, self.repository, self.actor.id)

    def visible_to_agent(self, connection: Connection, keys: Collection[UUID]) -> Collection[UUID]:  # noqa: ARG002 - needs no look
        return [key for key in keys if key == self.actor.id]

    @allowed(SYSTEM_ONLY)
    @retry
    def pending_tasks(self, key: UUID) -> list[Task]:
        """What waits for this agent alone, in the order in which it would get it."""
        with self.database.session(read_only=True) as session:
            return self.tasks.find_pending_for_agent(session, key)

    @allowed("writers")
    @retry
    def deactivate(
        self, key: UUID, *, reassign_to: UUID | None = None, expected: Collection[int] | None = None
    ) -> Agent:
        """Its tasks and conversations go to the other agent, or to whoever claims them."""
        with self.database.session() as session:
            keys = {key, reassign_to} - {None}
            found = {
                agent.id: agent for agent in self.repository.get_many(session, keys, lock=True)
            }
            if key not in found:
                raise NotFound("agents", key)
            if reassign_to is not None:
                self._check_heir(found.get(reassign_to), key)
            values = {"is_active": False}
            if self._change(session, found[key], values, expected=expected):
                self._hand_over(session, key, to=reassign_to)
            return found[key]

    def apply(
        self,
        session: Session,
        entity: Agent,
        values: Mapping[str, Any],
        *,
        expected: Collection[int] | None = None,
        action: str = "updated",
    ) -> Changes:
        changes = self._change(session, entity, values, expected=expected, action=action)
        if "is_active" in changes and not entity.is_active:
            self._hand_over(session, entity.id, to=None)
        return changes

    @allowed("writers")
    @retry
    def remove(self, key: UUID, *, expected: Collection[int] | None = None) -> None:
        """Delete the agent and revoke its tokens; one that runs a task is in use."""
        with self.database.session() as session:
            self.locked(session, key)
            if self.queue.is_busy(session.connection(), key):
                raise InUse("agents", ["tasks"])
            super().remove(key, expected=expected)
            revoked = self.tokens.revoke_all(session.connection(), key)
            deleted = {
                token["id"]: {"deleted_at": (None, token["deleted_at"])} for token in revoked
            }
            self.record(session.connection(), "deleted", Token, deleted)

    @allowed(SYSTEM_ONLY)
    @retry
    def for_worker(self, name: str, queues: Collection[str], *, own: bool) -> Agent:
        """The program of this name, made where it is missing; `own` ones get queues they lack."""
        with self.database.session() as session:
            lock_name(session.connection(), f"agent {name}")  # workers may start together
            agent: Agent | None = self.repository.find(session, name=name)
            if agent is None:
                return self.create({"name": name, "kind": "ai", "queues": list(queues)})
            if not agent.is_active or agent.kind != AgentKind.AI:
                raise Forbidden(f"The agent {name} is not active, or is a person.")
            missing = [queue for queue in queues if queue not in agent.queues]
            if missing and not own:
                raise Forbidden(f"The agent {name} does not work on {', '.join(missing)}.")
            return self.update(agent.id, {"queues": [*agent.queues, *missing]})

    def check_active(self, connection: Connection, key: UUID, field: str) -> Record:
        """The active agent that `field` names, locked FOR SHARE; raises Invalid."""
        agent = self.repository.at_work(connection, key)
        if agent is None:
            raise UnknownReference(field)
        if not agent["is_active"]:
            raise Invalid([Mistake((field,), "inactive", "The agent is not active.")])
        return agent

    def _change(self, *args: Any, **options: Any) -> Changes:
        return super().apply(*args, **options)

    def _check_heir(self, heir: Agent | None, key: UUID) -> None:
        if heir is None:
            raise UnknownReference("reassign_to")
        if heir.id == key or not heir.is_active:
            raise Invalid([Mistake(("reassign_to",), "inactive", "It is not active.")])

    def _hand_over(self, session: Session, key: UUID, *, to: UUID | None) -> None:
        """Conversations before tasks, as everybody locks them."""
        connection = session.connection()
        conversations = self.conversations.update_where(
            connection,
            {"assignee_id": to, "assignment_reason": None},
            at_most=_MOST_HANDED_OVER,
            assignee_id=key,
            status__ne=ConversationStatus.CLOSED,
        )
        assigned = {conversation: {"assignee_id": (key, to)} for conversation in conversations}
        kinds = {} if to is None else self.repository.kinds(connection, {key, to})
        action = assignment_action(kinds.get(key), None if to is None else kinds.get(to))
        self.record(connection, action, Conversation, assigned)
        given_back = self.queue.let_go(connection, key, to=to)
        for action, status in (
            ("released", TaskStatus.PENDING),
            ("cancelled", TaskStatus.CANCELLED),
        ):
            ended = [task for task in given_back if task["status"] == status]
            changes = {task["id"]: differences(Task, task["was"], task) for task in ended}
            self.record(connection, action, Task, changes)
        readdressed = self.queue.readdress(connection, key, to=to)
        self.record(
            connection, "updated", Task, {task: {"agent_id": (key, to)} for task in readdressed}
        )
