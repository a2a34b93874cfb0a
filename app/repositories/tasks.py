"""Tasks as a resource: found, searched and read. Claiming and ending them is in `task_queue`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import BindParameter, Text, bindparam, cast, func, or_, select
from sqlalchemy.orm import aliased, selectinload

from app.db import Reader, Repository, filters_on, sorts_on
from app.domain.tasks import OPEN
from app.models import Conversation, Task, TaskAttempt

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from sqlalchemy import BindParameter, Connection, Select
    from sqlalchemy.orm import Session

    from app.db import Record

    Keys = Collection[UUID]

_KEYS: BindParameter[UUID] = bindparam("keys", expanding=True)
_IS_OPEN = Task.status.in_(OPEN) & Task.deleted_at.is_(None)

# The tasks of an agent: those that it runs or ran last, and those that only it may claim.
_IS_OF_AGENT = or_(Task.claimed_by_id == bindparam("agent"), Task.agent_id == bindparam("agent"))
# The live ones among these, that it runs now or that only it may claim.
_IS_OPEN_OF_AGENT = Task.deleted_at.is_(None) & or_(
    (Task.claimed_by_id == bindparam("agent")) & (Task.status == "running"),
    (Task.agent_id == bindparam("agent")) & Task.status.in_(OPEN),
)

_WITH_SUBTASKS = (selectinload(Task.subtasks),)
_OPEN_TWIN = select(Task).where(_IS_OPEN, Task.dedupe_key == bindparam("dedupe_key"))
# Two statements, because PostgreSQL uses no index for IS NOT DISTINCT FROM.
_OPEN_TWIN_OF_NO_SCOPE = _OPEN_TWIN.where(Task.dedupe_scope.is_(None))
_OPEN_TWIN_IN_SCOPE = _OPEN_TWIN.where(Task.dedupe_scope == bindparam("dedupe_scope"))
_PENDING = (
    select(Task)
    .where(
        Task.agent_id == bindparam("agent"),
        Task.status == "pending",
        Task.deleted_at.is_(None),
    )
    .order_by(Task.priority, Task.available_at, Task.id)
    .limit(bindparam("limit"))
)
_LOCK_TREE = select(func.pg_advisory_xact_lock(7203116))
_SHARE_TREE = select(func.pg_advisory_xact_lock_shared(7203116))

_above = select(Task.id, Task.parent_id).where(Task.id == bindparam("key")).cte(recursive=True)
_above = _above.union(select(Task.id, Task.parent_id).where(Task.id == _above.c.parent_id))
_ABOVE = select(_above.c.id)

_LOCK_AMONG = (
    select(Task.id, Task.status, Task.cancel_requested)
    .where(Task.id.in_(_KEYS), Task.deleted_at.is_(None))
    .order_by(Task.id)
    .with_for_update(key_share=True)
)
_each = select(Task.id.label("key"), Task.id, Task.parent_id).where(Task.id.in_(_KEYS))
_each_above = _each.cte(recursive=True)
_each_above = _each_above.union(
    select(_each_above.c.key, Task.id, Task.parent_id).where(Task.id == _each_above.c.parent_id)
)
_EACH_ABOVE = select(_each_above.c.key, func.count().label("levels")).group_by(_each_above.c.key)

_below = (
    select(Task.id, bindparam("level", 1).label("level"))
    .where(Task.id == bindparam("key"))
    .cte(recursive=True)
)
_below = _below.union(
    select(Task.id, _below.c.level + 1).where(
        Task.parent_id == _below.c.id, Task.deleted_at.is_(None)
    )
)
_BELOW = select(func.max(_below.c.level))

_own = aliased(Task)
_CONCERNS = select(Task.id).where(
    Task.id.in_(_KEYS),
    or_(
        _IS_OF_AGENT,
        select(_own.id)
        .where(
            or_(_own.claimed_by_id == bindparam("agent"), _own.agent_id == bindparam("agent")),
            _own.deleted_at.is_(None),
            or_(_own.parent_id == Task.id, _own.id == Task.parent_id),
        )
        .exists(),
    ),
)
_CONVERSATIONS_OF_AGENT = (
    select(Task.conversation_id)
    .where(_IS_OPEN_OF_AGENT, Task.conversation_id.in_(_KEYS))
    .distinct()
)
_CUSTOMERS_OF_AGENT = (
    select(Conversation.customer_id)
    .join(Task, Task.conversation_id == Conversation.id)
    .where(_IS_OPEN_OF_AGENT, Conversation.customer_id.in_(_KEYS))
    .distinct()
)


class TaskRepository(Repository[Task]):
    model = Task
    filters = filters_on(
        Task.kind,
        Task.queue,
        Task.priority,
        Task.conversation_id,
        Task.parent_id,
        Task.agent_id,
        Task.claimed_by_id,
        Task.status,
        Task.dedupe_key,
        Task.run_after,
        Task.lease_expires_at,
        Task.started_at,
        Task.completed_at,
        Task.created_at,
        Task.updated_at,
    )
    sorts = sorts_on(
        Task.created_at,
        Task.updated_at,
        Task.priority,
        Task.run_after,
        Task.started_at,
        Task.completed_at,
    )
    searched = cast(Task.input, Text)

    def find_pending_for_agent(
        self, session: Session, agent_id: UUID, *, limit: int = 100
    ) -> list[Task]:
        """The pending tasks that only this agent may claim, in the order of its claims."""
        return list(session.scalars(_PENDING, {"agent": agent_id, "limit": limit}))

    def with_subtasks(self, session: Session, key: UUID) -> Task | None:
        """The live task with its sub-tasks, in two statements."""
        return self.get(session, key, load=_WITH_SUBTASKS)

    def find_open(
        self, session: Session, dedupe_key: str, dedupe_scope: UUID | None
    ) -> Task | None:
        """The live pending or running task with this key in this scope, see `Task.dedupe_scope`."""
        statement = _OPEN_TWIN_OF_NO_SCOPE if dedupe_scope is None else _OPEN_TWIN_IN_SCOPE
        bound = {"dedupe_key": dedupe_key, "dedupe_scope": dedupe_scope}
        return session.scalars(statement, bound).one_or_none()

    def lock_tree(self, connection: Connection, *, shared: bool) -> None:
        """Keep others from moving tasks in the tree until the unit ends.

        A unit that moves tasks needs the lock alone, as the trigger that refuses cycles does.
        Units that only add tasks share it: they change the depth of no other task.
        """
        connection.execute(_SHARE_TREE if shared else _LOCK_TREE)

    def path_to(self, connection: Connection, key: UUID) -> set[UUID]:
        """The ids of the task and of all tasks above it."""
        return set(connection.execute(_ABOVE, {"key": key}).scalars())

    def levels_above_among(self, connection: Connection, keys: Collection[UUID]) -> dict[UUID, int]:
        """The number of levels down to each of these tasks by id; 1 without a parent."""
        found = connection.execute(_EACH_ABOVE, {"keys": list(keys)})
        return {row.key: row.levels for row in found}

    def lock_among(self, connection: Connection, keys: Collection[UUID]) -> dict[UUID, Record]:
        """`id`, `status` and `cancel_requested` of the live ones among these, by id.

        Locks them in the order of their ids.
        """
        found = connection.execute(_LOCK_AMONG, {"keys": list(keys)})
        return {row.id: row._asdict() for row in found}

    def levels_below(self, connection: Connection, key: UUID) -> int:
        """The number of levels from this task down; 1 for a task without sub-tasks."""
        level: int = connection.execute(_BELOW, {"key": key}).scalar_one()
        return level

    def concerning(self, connection: Connection, agent_id: UUID, keys: Keys) -> set[UUID]:
        """Those of these tasks that are the agent's, or the parent or a sub-task of one that is."""
        return self._among(connection, _CONCERNS, agent_id, keys)

    def conversations_of(self, connection: Connection, agent_id: UUID, keys: Keys) -> set[UUID]:
        """Those of these conversations to which open tasks of the agent refer."""
        return self._among(connection, _CONVERSATIONS_OF_AGENT, agent_id, keys)

    def customers_of(self, connection: Connection, agent_id: UUID, keys: Keys) -> set[UUID]:
        """Those of these customers to whose conversations open tasks of the agent refer."""
        return self._among(connection, _CUSTOMERS_OF_AGENT, agent_id, keys)

    def _among(
        self, connection: Connection, statement: Select[Any], agent_id: UUID, keys: Keys
    ) -> set[UUID]:
        return set(connection.execute(statement, {"agent": agent_id, "keys": keys}).scalars())


class AttemptRepository(Reader[TaskAttempt]):
    model = TaskAttempt
    filters = filters_on(TaskAttempt.task_id, TaskAttempt.agent_id, TaskAttempt.outcome)
    sorts = sorts_on(TaskAttempt.number, TaskAttempt.started_at)
