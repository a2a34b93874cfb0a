"""Tasks as a queue: claimed, held under a lease, and ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.tasks import TaskStatus
from app.repositories import task_claims, task_statements

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from uuid import UUID

    from sqlalchemy import Connection, CursorResult

    from app.db import Record


class TaskQueue:
    """A task's record holds its `lease_token` here, and, where the status was changed, under
    `was` what it was before."""

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
        """Take up to `limit` tasks, by priority, then by how long they have been available.

        Without `lease_seconds` they are held until they are given back. Tasks whose lease ran out
        are taken too; those among them that may not run again, the SPENT ones, come back as failed
        or cancelled. `which` restricts the claim to RUNNABLE or SPENT tasks. With
        `most_bytes` it ends before the task whose input and metadata would exceed that, unless it
        is the first.
        """
        lanes = [*queues, *(f"{queue}/{agent_id}" for queue in queues)]
        bound: dict[str, Any] = {f"lane_{number}": lane for number, lane in enumerate(lanes)}
        bound |= {"agent": agent_id, "limit": limit, "lease": lease_seconds}
        within = most_bytes is not None
        statement = task_claims.claim(len(lanes), which, within_bytes=within)
        bound |= {"most_bytes": most_bytes} if within else {}
        tasks = _records(connection.execute(statement, bound), task_claims.TAKEN)
        self._end_lost(connection, tasks)
        return tasks

    def _end_lost(self, connection: Connection, tasks: Sequence[Record]) -> None:
        """Close the attempts of those whose lease had run out when they were taken."""
        lost = {}
        for task in tasks:
            task["was"]["attempt"] = task["attempt"] - (task["status"] == TaskStatus.RUNNING)
            if task["was"]["status"] == TaskStatus.RUNNING:
                lost[str(task["id"])] = task["was"]["attempt"]
        if lost:
            connection.execute(
                task_statements.LOSE, {"tasks": list(lost), "numbers": list(lost.values())}
            )

    def complete(
        self, connection: Connection, key: UUID, token: UUID | None, output: Any
    ) -> Record | None:
        """Complete the task that runs under this token; raises OpenSubtasks."""
        bound = {"key": key, "token": token, "output": output}
        row = connection.execute(task_statements.COMPLETED, bound).one_or_none()
        return None if row is None else row._asdict()

    def heartbeat(
        self, connection: Connection, key: UUID, token: UUID | None, progress: Any
    ) -> Record | None:
        """Renew the lease for as long as it was given; returns when it ends."""
        bound = {"key": key, "token": token, "progress": progress}
        row = connection.execute(task_statements.HEARTBEAT, bound).one_or_none()
        return None if row is None else row._asdict()

    def lock(self, connection: Connection, key: UUID) -> Record | None:
        """The live task, locked after its parent."""
        row = connection.execute(task_statements.LOCKED, {"key": key}).one_or_none()
        return None if row is None else row._asdict()

    def end_attempt(
        self, connection: Connection, task: Record, outcome: str, error: str | None = None
    ) -> None:
        """Close the record of the attempt that a locked task is in."""
        bound = {"task": task["id"], "attempt": task["attempt"]}
        connection.execute(
            task_statements.END_ATTEMPT, {**bound, "to_outcome": outcome, "to_error": error}
        )

    def rescue(self, connection: Connection, *, limit: int) -> list[Record]:
        """Give back up to `limit` tasks whose lease ran out and that nobody has locked."""
        bound = {"error": "The lease ran out.", "forgiven": 0, "limit": limit}
        return _records(connection.execute(task_statements.RESCUED, bound), task_statements.HELD)

    def let_go(
        self, connection: Connection, agents: Collection[UUID], *, to: UUID | None
    ) -> list[Record]:
        """Give back all that these agents run, for any agent or for one alone."""
        connection.execute(task_statements.LOCK_PARENTS, {"agents": list(agents)})
        bound = {"error": None, "forgiven": 1, "agents": [*map(str, agents)], "to": to}
        return _records(connection.execute(task_statements.LET_GO_OF, bound), task_statements.HELD)

    def cancel(self, connection: Connection, key: UUID) -> list[Record]:
        """Cancel a locked task and all that is open below it; running ones are asked to stop."""
        cancelled: list[Record] = []
        while found := _records(
            connection.execute(task_statements.CANCEL, {"key": key}), task_statements.CANCELLED
        ):
            cancelled += found
        return cancelled

    def readdress(
        self,
        connection: Connection,
        agents: Collection[UUID],
        *,
        to: UUID | None = None,
        but_in: Collection[str] = (),
    ) -> dict[UUID, UUID]:
        """Address the open tasks of these agents to another one, or to none.

        Tasks in the queues `but_in` stay as they are. Returns the former agent of each.
        """
        bound = {"agents": list(agents), "to": to, "kept": list(but_in)}
        rows = connection.execute(task_statements.READDRESS, bound)
        return {row.id: row.agent_id for row in rows}

    def queues_of(self, connection: Connection, agent_id: UUID) -> list[str]:
        """The queues of the tasks that the agent runs and of those addressed to it."""
        return list(connection.execute(task_statements.QUEUES_OF, {"agent": agent_id}).scalars())

    def stats(self, connection: Connection) -> list[Record]:
        """How many live tasks each queue has in each status, and since when."""
        return [row._asdict() for row in connection.execute(task_statements.STATS)]


def _records(rows: CursorResult[Any], before: Sequence[str]) -> list[Record]:
    names = tuple(rows.keys())
    records = [dict(zip(names, row, strict=True)) for row in rows.all()]
    for record in records:
        record["was"] = {name: record.pop(f"was_{name}") for name in before}
    return records
