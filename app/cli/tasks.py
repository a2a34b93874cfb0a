"""`flask tasks`: lists, shows, cancels, requeues and counts tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from app.cli.agents import QUEUE_NAME, find_agent
from app.cli.kit.commands import Group, service
from app.cli.kit.output import (
    as_json,
    as_record,
    print_fields,
    print_json,
    print_line,
    print_table,
    print_text,
)
from app.cli.kit.types import ID, Text
from app.cli.task_records import public_record
from app.db import Query, Sort
from app.domain.tasks import TaskStatus
from app.services import TaskQueueService, TaskService

if TYPE_CHECKING:
    from uuid import UUID

tasks = Group("tasks", help="Work that agents claim.")

_COLUMNS = ["id", "queue", "kind", "priority", "status", "attempt", "run_after", "error"]


@tasks.command("list")
@click.option("--status", type=click.Choice([status.value for status in TaskStatus]))
@click.option("--queue", type=QUEUE_NAME)
@click.option("--agent", type=Text(), help="The agent who alone may claim them.")
@click.option("--conversation", "conversation_id", type=ID)
@click.option("--search", type=Text(), help="Words in the input.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=25, show_default=True)
@as_json
def list_tasks(
    agent: str | None, search: str | None, limit: int, *, as_json: bool, **filters: object
) -> None:
    """List tasks, the newest first."""
    given = {name: value for name, value in filters.items() if value is not None}
    if agent is not None:
        given["agent_id"] = find_agent(agent).id
    page, _ = service(TaskService).page(Query(filters=given, search=search, limit=limit))
    if as_json:
        print_json([public_record(task) for task in page.items])
    else:
        print_table(page.items, _COLUMNS)


@tasks.command("show")
@click.argument("task_id", type=ID)
@as_json
def show(task_id: UUID, *, as_json: bool) -> None:
    """Show the task with the id TASK_ID, its attempts and its sub-tasks."""
    task = service(TaskService).with_subtasks(task_id)
    attempts, _ = service(TaskService).attempts(task_id, Query(sort=(Sort("number"),), limit=1000))
    subtasks = [as_record(subtask) for subtask in task.subtasks]
    if as_json:
        parts = {"attempts": attempts.items, "subtasks": subtasks}
        print_json({**as_record(task), **parts})
        return
    print_fields(as_record(task))
    if attempts.items:
        print_text("\nAttempts")
        columns = ["number", "agent_id", "started_at", "ended_at", "outcome", "error"]
        print_table(attempts.items, columns)
    if subtasks:
        print_text("\nSub-tasks")
        print_table(subtasks, _COLUMNS)


@tasks.command("requeue")
@click.argument("task_ids", type=ID, nargs=-1, required=True)
def requeue(task_ids: tuple[UUID, ...]) -> None:
    """Put failed or cancelled tasks back into their queue."""
    for task_id in task_ids:
        service(TaskService).requeue(task_id)
        print_line(f"Requeued {task_id}.")


@tasks.command("cancel")
@click.argument("task_ids", type=ID, nargs=-1, required=True)
def cancel(task_ids: tuple[UUID, ...]) -> None:
    """Cancel tasks and their sub-tasks; a running task stops at its next heartbeat."""
    for task_id in task_ids:
        task = service(TaskService).cancel(task_id)
        done = "Cancelled" if task.status == TaskStatus.CANCELLED else "Asked to cancel"
        print_line(f"{done} {task_id}.")


@tasks.command("rescue")
def rescue() -> None:
    """Take back every task whose lease has expired."""
    queue = service(TaskQueueService)
    print_line(f"Took back {sum(iter(queue.rescue, 0))} tasks.")


@tasks.command("stats")
@as_json
def stats(*, as_json: bool) -> None:
    """Count tasks by queue and status."""
    counted = service(TaskQueueService).stats()
    if as_json:
        print_json(counted)
    else:
        print_table(counted, ["queue", "status", "count", "oldest"])
