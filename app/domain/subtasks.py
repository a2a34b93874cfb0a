"""The limits of sub-tasks that agents create: none is more urgent than its parent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from app.db.errors import Invalid, Mistake
from app.domain.tasks import DEFAULT_PRIORITY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from app.domain.tasks import NewTask


def as_subtask(
    new: NewTask, *, parent_id: UUID, parent_priority: int, max_attempts: int
) -> NewTask:
    """Complete an agent's new sub-task; raise Invalid where it asks for too much.

    `dedupe_scope` makes its `dedupe_key` unique among the agents' sub-tasks of the parent alone,
    so that an agent learns of no key that another task has.
    """
    default = max(DEFAULT_PRIORITY, parent_priority)
    priority = default if new.priority is None else new.priority
    mistakes = list(_mistakes(priority, parent_priority, new.max_attempts, max_attempts))
    if mistakes:
        raise Invalid(mistakes)
    return replace(new, priority=priority, dedupe_scope=parent_id)


def _mistakes(
    priority: int, parent_priority: int, attempts: int | None, max_attempts: int
) -> Iterator[Mistake]:
    if priority < parent_priority:
        detail = f"A sub-task cannot be more urgent than its task: {parent_priority} or more."
        yield Mistake(("priority",), "range", detail)
    if attempts is not None and attempts > max_attempts:
        detail = f"An agent's sub-task has at most {max_attempts} attempts."
        yield Mistake(("max_attempts",), "range", detail)
