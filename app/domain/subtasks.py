"""What an agent may ask of a sub-task: nothing more urgent than the task that it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.db.errors import Invalid, Mistake
from app.domain.tasks import DEFAULT_PRIORITY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from uuid import UUID


def as_subtask(
    values: Mapping[str, Any], *, parent_id: UUID, parent_priority: int, max_attempts: int
) -> dict[str, Any]:
    """Return the values of an agent's new sub-task; raise Invalid where it asks for too much.

    `dedupe_scope` makes its `dedupe_key` unique among the agents' sub-tasks of the parent alone,
    so that an agent learns of no key that another task has.
    """
    priority = max(DEFAULT_PRIORITY, parent_priority)
    values = {"priority": priority, **values, "dedupe_scope": parent_id}
    if mistakes := list(_mistakes(values, parent_priority, max_attempts)):
        raise Invalid(mistakes)
    return values


def _mistakes(
    values: Mapping[str, Any], parent_priority: int, max_attempts: int
) -> Iterator[Mistake]:
    if values["priority"] < parent_priority:
        detail = f"A sub-task is not more urgent than its task: {parent_priority} or more."
        yield Mistake(("priority",), "range", detail)
    if values["max_attempts"] > max_attempts:
        detail = f"An agent's sub-task has at most {max_attempts} attempts."
        yield Mistake(("max_attempts",), "range", detail)
