"""Tasks as a queue: agents claim them, hold them under a lease, and end them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict, cast

from app.domain.tasks import TaskStatus
from app.repositories import task_claims
from app.repositories import task_statements as statements

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection

    from app.db import Record


class Renewal(TypedDict):
    """A lease that was renewed."""

    lease_expires_at: datetime | None  # None for a person's, which has no end
    cancel_requested: bool
    claimed_by_id: UUID


class TaskQueue:
    """The records of tasks have their `lease_token` here.

    The record of a task whose status was changed has the former values of some columns in `was`,
    a dict by the names of the columns.
    """

    def claim(
        self,
        connection: Connection,
        agent_id: UUID,
        queues: Sequence[str],
        *,
        limit: int,
        lease_seconds: int | None,
        which: str = task_claims.ANY,
        most_bytes: int | None = None,
    ) -> list[Record]:
        """Claim up to `limit` tasks, by priority, then by how long they have been available.

        Without `lease_seconds` the lease has no end. Running tasks with an expired lease are
        claimed too; the ENDING ones among them are returned as failed or cancelled. `which`
        restricts the claim to RUNNABLE or ENDING tasks. With `most_bytes` the claim ends before
        the task whose input and metadata would exceed that, unless it is the first.
        """
        lanes = [*queues, *(f"{queue}/{agent_id}" for queue in queues)]
        bound: dict[str, object] = {f"lane_{number}": lane for number, lane in enumerate(lanes)}
        bound |= {"agent": agent_id, "limit": limit, "lease": lease_seconds}
        within = most_bytes is not None
        statement = task_claims.claim(len(lanes), which, within_bytes=within)
        bound |= {"most_bytes": most_bytes} if within else {}
        tasks = _with_former(statement.records(connection, bound), task_claims.BEFORE_CLAIM)
        self._end_lost(connection, tasks)
        return tasks

    def _end_lost(self, connection: Connection, tasks: Sequence[Record]) -> None:
        """End the attempts of the tasks whose lease had expired when they were claimed."""
        lost = {}
        for task in tasks:
            task["was"]["attempt"] = task["attempt"] - (task["status"] == TaskStatus.RUNNING)
            if task["was"]["status"] == TaskStatus.RUNNING:
                lost[str(task["id"])] = task["was"]["attempt"]
        if lost:
            bound = {"tasks": list(lost), "numbers": list(lost.values())}
            statements.END_LOST_ATTEMPTS.execute(connection, bound)

    def complete(
        self, connection: Connection, key: UUID, token: UUID | None, output: object
    ) -> Record | None:
        """Complete the task that runs under this token, and end its attempt.

        None where no task runs under it. Raises OpenSubtasks.
        """
        bound = {"key": key, "token": token, "output": output}
        return statements.COMPLETE.record(connection, bound)

    def heartbeat(
        self, connection: Connection, key: UUID, token: UUID | None, progress: object
    ) -> Renewal | None:
        """Renew the lease for the seconds that the claim asked for, and store the progress.

        None where no task runs under the token.
        """
        bound = {"key": key, "token": token, "progress": progress}
        return cast("Renewal | None", statements.HEARTBEAT.record(connection, bound))

    def lock(self, connection: Connection, key: UUID) -> Record | None:
        """The live task, locked after its parent; None for an unknown or deleted id."""
        return statements.LOCK.record(connection, {"key": key})

    def end_attempt(
        self, connection: Connection, task: Record, outcome: str, error: str | None = None
    ) -> None:
        """End the current attempt of a locked task."""
        ending = {"to_outcome": outcome, "to_error": error}
        bound = {"task": task["id"], "attempt": task["attempt"], **ending}
        statements.END_ATTEMPT.execute(connection, bound)

    def rescue(self, connection: Connection, *, limit: int) -> list[Record]:
        """Give back up to `limit` tasks whose lease has expired; skips those locked by others."""
        bound = {"error": "The lease ran out.", "forgiven": 0, "limit": limit}
        rescued = statements.RESCUE.records(connection, bound)
        return _with_former(rescued, statements.BEFORE_GIVING_BACK)

    def give_back(
        self, connection: Connection, agents: Collection[UUID], *, to: UUID | None
    ) -> list[Record]:
        """Give back all tasks that these agents run: to the agent `to` alone, or to any."""
        statements.LOCK_PARENTS.execute(connection, {"agents": list(agents)})
        bound = {"error": None, "forgiven": 1, "agents": [*map(str, agents)], "to": to}
        given = statements.GIVE_BACK.records(connection, bound)
        return _with_former(given, statements.BEFORE_GIVING_BACK)

    def cancel(self, connection: Connection, key: UUID) -> list[Record]:
        """Cancel a locked task and the open tasks below it; running ones get `cancel_requested`."""
        cancelled: list[Record] = []
        while found := statements.CANCEL.records(connection, {"key": key}):
            cancelled += found
        return _with_former(cancelled, statements.BEFORE_CANCELLING)

    def readdress(
        self,
        connection: Connection,
        agents: Collection[UUID],
        *,
        to: UUID | None = None,
        but_in: Collection[str] = (),
    ) -> dict[UUID, UUID]:
        """Address the open tasks of these agents to the agent `to`, or to none.

        Leaves out tasks in the queues `but_in`. Returns the former agent of each task by its id.
        """
        bound = {"agents": list(agents), "to": to, "kept": list(but_in)}
        return dict(statements.READDRESS.rows(connection, bound))

    def queues_of(self, connection: Connection, agent_id: UUID) -> list[str]:
        """The queues of the tasks that the agent runs, and of the open ones addressed to it."""
        return [queue for (queue,) in statements.QUEUES_OF.rows(connection, {"agent": agent_id})]

    def stats(self, connection: Connection) -> list[Record]:
        """The number of live tasks by `queue` and `status`, with the `oldest` time of creation."""
        return statements.STATS.records(connection)


def _with_former(records: list[Record], before: Sequence[str]) -> list[Record]:
    """The records, with the values from before the statement in `was`."""
    for record in records:
        record["was"] = {name: record.pop(f"was_{name}") for name in before}
    return records
