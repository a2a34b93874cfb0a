"""Agents: their kinds, the names of queues, and whether an agent may get work."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from app.db.errors import Mistake

if TYPE_CHECKING:
    from collections.abc import Mapping


class AgentKind(StrEnum):
    HUMAN = "human"
    AI = "ai"


HANDED_OFF, ASSIGNED = "handed-off", "assigned"  # the actions of events


def assignment_action(old: str | None, new: str | None) -> str:
    """`handed-off` from a person to a program or back, else `assigned`; takes the two kinds."""
    return HANDED_OFF if None not in (old, new) and old != new else ASSIGNED


MOST_QUEUES = 50
QUEUE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)


def why_unfit(
    agent: Mapping[str, Any] | None, path: tuple[str | int, ...], queue: str | None = None
) -> Mistake | None:
    """Why the agent at `path` of a body cannot get work (of this queue); None where it can."""
    if agent is None:
        return Mistake(path, "unknown-reference", "The agent does not exist.")
    if not agent["is_active"]:
        return Mistake(path, "inactive", "The agent is not active.")
    if queue is not None and queue not in agent["queues"]:
        return Mistake(path, "wrong-queue", f"The agent does not work the queue {queue}.")
    return None
