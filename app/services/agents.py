from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from app.db import lock_name, retry
from app.db.errors import Invalid, Mistake
from app.domain.agents import AgentKind, why_unfit
from app.errors import Forbidden, NotFound
from app.models import Agent, Token
from app.repositories import AgentRepository, TaskRepository, TokenRepository, UserRepository
from app.services.agent_handover import AgentHandover
from app.services.kit.fields import NO_ROW, reference_in
from app.services.kit.permissions import AGENTS, READERS, SYSTEM_ONLY, WRITERS, Roles, allowed
from app.services.kit.reads import read_one
from app.services.kit.resources import ResourceService

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from uuid import UUID

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from app.db import Record
    from app.db.repository.writing import Changes
    from app.models import Task
    from app.services.kit.fields import Fields


@dataclass(frozen=True, kw_only=True)
class AgentService(ResourceService[Agent]):
    """Agents as a resource. An inactive agent has no work; an active agent's user is active too.

    Only admins link an agent to a user, or unlink it.
    """

    readers: ClassVar[Roles] = READERS
    listers: ClassVar[Roles] = READERS
    writers: ClassVar[Roles] = WRITERS
    repository: AgentRepository = AgentRepository()
    tasks: TaskRepository = TaskRepository()
    tokens: TokenRepository = TokenRepository()
    users: UserRepository = UserRepository()
    checked_with: ClassVar[Mapping[str, frozenset[str]]] = MappingProxyType(
        {
            "is_active": frozenset({"user_id", "is_active"}),
            "user_id": frozenset({"user_id", "is_active"}),
        }
    )

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
        """The pending tasks for this agent alone, in the order in which a claim returns them."""
        with self.database.session(read_only=True) as session:
            return self.tasks.find_pending_for_agent(session, key)

    @allowed("writers")
    def create(self, values: Fields) -> Agent:
        if values.get("user_id") is not None:
            self._require_admin_to_link()
        return super().create(values)

    @allowed("writers")
    @retry
    def update(
        self, key: UUID, values: Fields, *, expected: Collection[int] | None = None
    ) -> Agent:
        if "user_id" in values:
            self._require_admin_to_link()
        return super().update(key, values, expected=expected)

    @allowed("writers")
    @retry
    def deactivate(
        self, key: UUID, *, reassign_to: UUID | None = None, expected: Collection[int] | None = None
    ) -> Agent:
        """Deactivate the agent; its tasks and conversations go to another one, or to any."""
        with self.database.session() as session:
            keys = {key, reassign_to} - {None}
            found = {
                agent.id: agent for agent in self.repository.get_many(session, keys, lock=True)
            }
            if key not in found:
                raise NotFound("agents", key)
            if reassign_to is not None:
                self._check_heir(session.connection(), reassign_to, key)
            values = {"is_active": False}
            if self._change(session, found[key], values, expected=expected):
                handover = self.related(AgentHandover)
                handover.hand_over(session.connection(), [key], to=reassign_to)
            return found[key]

    def deactivate_of_users(self, connection: Connection, users: Collection[UUID]) -> None:
        """Deactivate the agents of these users, and hand their work over to any agent.

        The caller has locked the users, so that none of them gets another agent meanwhile.
        """
        agents = self.repository.deactivate_of_users(connection, users)
        deactivated = {"is_active": (True, False)}
        self.record(connection, "updated", Agent, dict.fromkeys(agents, deactivated))
        self.related(AgentHandover).hand_over(connection, agents)

    def apply(
        self,
        session: Session,
        entity: Agent,
        values: Fields,
        *,
        expected: Collection[int] | None = None,
        action: str = "updated",
    ) -> Changes:
        changes = self._change(session, entity, values, expected=expected, action=action)
        handover, connection = self.related(AgentHandover), session.connection()
        if "is_active" in changes and not entity.is_active:
            handover.hand_over(connection, [entity.id])
            return changes
        if "kind" in changes and entity.kind == AgentKind.AI:
            handover.give_back(connection, entity.id)  # a person's leases never expire
        if "queues" in changes:
            handover.leave_queues(connection, entity.id, entity.queues)
        return changes

    @allowed("writers")
    @retry
    def remove(self, key: UUID, *, expected: Collection[int] | None = None) -> None:
        """Delete the agent and revoke its tokens.

        InUse while it runs a task, or one is addressed to it, or has a conversation not closed.
        """
        with self.database.session() as session:
            super().remove(key, expected=expected)
            revoked = self.tokens.revoke_all(session.connection(), key)
            deleted = {key: {"deleted_at": (None, at)} for key, at in revoked.items()}
            self.record(session.connection(), "deleted", Token, deleted)

    @allowed(SYSTEM_ONLY)
    @retry
    def for_worker(self, name: str, queues: Collection[str], *, own: bool) -> Agent:
        """The active AI agent of this name, created where it is missing.

        An `own` one gets the queues that it lacks; raises Forbidden for any other that lacks one.
        """
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

    def check_active(self, connection: Connection, key: UUID, field: str) -> None:
        """Lock the agent that `field` names FOR SHARE; raises Invalid where it gets no work."""
        if mistake := self.why_unfit(connection, key, field):
            raise Invalid([mistake])

    def why_unfit(
        self, connection: Connection, key: UUID, field: str, queue: str | None = None
    ) -> Mistake | None:
        """Lock the agent FOR SHARE; returns why it gets no work (of this queue), or None."""
        return why_unfit(self.repository.at_work(connection, key), (field,), queue)

    def check_live(self, connection: Connection, values: Fields, row: Fields = NO_ROW) -> Fields:
        """The user of an active agent is active.

        An agent that is restored, or unlinked, while its user is inactive becomes inactive too.
        """
        super().check_live(connection, values, row)
        every = {**row, **values}
        if not every.get("is_active", True):
            return NO_ROW
        if values and not self._user_is_active(connection, every):
            field = "user_id" if "user_id" in values else "is_active"
            raise Invalid([Mistake((field,), "inactive", "The user is not active.")])
        if "is_active" in values or self._user_is_active(connection, row):
            return NO_ROW
        return {"is_active": False}

    def _user_is_active(self, connection: Connection, agent: Fields) -> bool:
        user_id = reference_in(agent, "user_id")
        user = None if user_id is None else self.users.record(connection, user_id)
        return user is None or bool(user["is_active"])

    def _require_admin_to_link(self) -> None:
        if not self.actor.is_admin:
            raise Forbidden("Only admins link an agent to a user, or unlink it.")

    def _change(
        self,
        session: Session,
        entity: Agent,
        values: Fields,
        *,
        expected: Collection[int] | None = None,
        action: str = "updated",
    ) -> Changes:
        """`apply`, without handing over what the agent may no longer have."""
        return super().apply(session, entity, values, expected=expected, action=action)

    def _check_heir(self, connection: Connection, heir_id: UUID, key: UUID) -> None:
        """Raises Invalid where the heir would get tasks of queues that it does not work."""
        path = ("reassign_to",)
        heir = self.repository.at_work(connection, heir_id)
        if mistake := why_unfit(heir, path):
            raise Invalid([mistake])
        if heir_id == key:
            raise Invalid([Mistake(path, "inactive", "It is the agent that is deactivated.")])
        queues = self.related(AgentHandover).queues_of(connection, key)
        if mistakes := [m for queue in queues if (m := why_unfit(heir, path, queue))]:
            raise Invalid(mistakes)
