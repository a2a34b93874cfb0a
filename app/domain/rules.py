"""What a firm may decide about its desk, with what holds where it decides nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from app.domain.clocks import ServiceLevels
from app.domain.tasks import RetryDelay


@dataclass(frozen=True, kw_only=True)
class Rules:
    service_levels: ServiceLevels = field(default_factory=ServiceLevels)
    reopen_window: timedelta = timedelta(days=7)
    lease_seconds: int = 60
    longest_lease_seconds: int = 3600
    max_attempts: int = 3
    max_task_depth: int = 5
    retry_delay: RetryDelay = field(default_factory=RetryDelay)
