"""What an agent is, and how a queue may be called."""

from __future__ import annotations

import re
from enum import StrEnum


class AgentKind(StrEnum):
    HUMAN = "human"
    AI = "ai"


MOST_QUEUES = 50
QUEUE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
