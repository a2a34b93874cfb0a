"""What an agent may ask of a sub-task: its own queues, and nothing more urgent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.tasks import DEFAULT_PRIORITY
from app.errors import Invalid, Mistake

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from uuid import UUID


def as_subtask(
    values: Mapping[str, Any],
    *,
    parent_id: UUID,
    parent_priority: int,
    queues: Collection[str],
    max_attempts: int,
) -> dict[str, Any]:
    """The values of an agent's new sub-task; raises Invalid where it asks for too much.

    Its `dedupe_key` counts among the sub-tasks of the parent alone, so the parent's id goes in
    front: an agent learns of no key that another task has.
    """
    priority = max(DEFAULT_PRIORITY, parent_priority)
    values = {"priority": priority, **values}
    mistakes = list(_mistakes(values, parent_priority, queues, max_attempts))
    if values.get("dedupe_key") is not None:
        values["dedupe_key"] = f"{parent_id}:{values['dedupe_key']}"
        if len(values["dedupe_key"]) > _LONGEST_KEY:
            longest = _LONGEST_KEY - len(f"{parent_id}:")
            detail = f"An agent's dedupe_key has at most {longest} characters."
            mistakes.append(Mistake(("dedupe_key",), "length", detail))
    if mistakes:
        raise Invalid(mistakes)
    return values


_LONGEST_KEY = 255


def _mistakes(
    values: Mapping[str, Any], parent_priority: int, queues: Collection[str], max_attempts: int
) -> Iterator[Mistake]:
    if values["queue"] not in queues:
        detail = "A sub-task goes into a queue of the agent, or that of the task it belongs to."
        yield Mistake(("queue",), "not-allowed", detail)
    if values["priority"] < parent_priority:
        detail = f"A sub-task is not more urgent than its task: {parent_priority} or more."
        yield Mistake(("priority",), "range", detail)
    if values["max_attempts"] > max_attempts:
        detail = f"An agent's sub-task has at most {max_attempts} attempts."
        yield Mistake(("max_attempts",), "range", detail)
