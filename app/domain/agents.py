"""What an agent is, and how a queue may be called."""

from __future__ import annotations

import re
from enum import StrEnum


class AgentKind(StrEnum):
    HUMAN = "human"
    AI = "ai"


HANDED_OFF, ASSIGNED = "handed-off", "assigned"  # what events call an assignment


def assignment_action(old: str | None, new: str | None) -> str:
    """Whether work goes from a person to a program or back; `old` and `new` are kinds of agents."""
    return HANDED_OFF if None not in (old, new) and old != new else ASSIGNED


MOST_QUEUES = 50
QUEUE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
