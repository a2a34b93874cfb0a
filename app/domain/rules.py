"""The rules that a firm can change, with their defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from app.domain.clocks import ServiceLevels
from app.domain.json_size import JSONLimit
from app.domain.tasks import RetryDelay

if TYPE_CHECKING:
    from decimal import Decimal


_JSON_LIMIT = JSONLimit(64 * 1024, 1000)
_TASK_DATA_LIMIT = JSONLimit(1024 * 1024, None)


@dataclass(frozen=True, kw_only=True)
class Rules:
    service_levels: ServiceLevels = field(default_factory=ServiceLevels)
    reopen_window: timedelta = timedelta(days=7)
    idempotency_window: timedelta = timedelta(days=1)
    lease_seconds: int = 60
    longest_lease_seconds: int = 3600
    max_attempts: int = 3
    max_task_depth: int = 5
    json_limit: JSONLimit = _JSON_LIMIT
    task_data_limit: JSONLimit = _TASK_DATA_LIMIT
    answer_bytes: int = 8 * 1024 * 1024
    approval_threshold: Decimal | None = None
    retry_delay: RetryDelay = field(default_factory=RetryDelay)
