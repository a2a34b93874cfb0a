"""What time brings about by itself. Every job is safe to run twice and in parallel."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from app.db import retry
from app.repositories import IdempotencyKeyRepository, RateLimitRepository
from app.services.base import Service
from app.services.conversation_lifecycle import ConversationLifecycle
from app.services.permissions import SYSTEM_ONLY, allowed
from app.services.task_queue import TaskQueueService
from app.services.transaction_lifecycle import TransactionLifecycle

if TYPE_CHECKING:
    from collections.abc import Callable

_REMOVED_AT_ONCE = 1000
_SILENT = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class JobService(Service):
    keys: IdempotencyKeyRepository = IdempotencyKeyRepository()
    rate_limits: RateLimitRepository = RateLimitRepository()

    @allowed(SYSTEM_ONLY)
    def run_due(self) -> dict[str, int]:
        """Run every job until nothing is left to do; returns what was done, by job."""
        queue, conversations = self.beside(TaskQueueService), self.beside(ConversationLifecycle)
        transactions = self.beside(TransactionLifecycle)
        return {
            "leases taken back": queue.rescue(),
            "conversations woken": _until_none_is_left(conversations.wake_due),
            "transactions expired": _until_none_is_left(transactions.expire_due),
            "idempotency keys removed": _until_none_is_left(self.remove_expired_keys),
            "rate limits removed": self.remove_unused_rate_limits(),
        }

    @allowed(SYSTEM_ONLY)
    @retry
    def remove_expired_keys(self) -> int:
        """Up to a thousand keys whose time is over; returns how many."""
        with self.database.connect() as connection:
            return self.keys.remove_expired(connection, at_most=_REMOVED_AT_ONCE)

    @allowed(SYSTEM_ONLY)
    @retry
    def remove_unused_rate_limits(self) -> int:
        """Those of tokens that were silent for an hour, and owe nothing by far."""
        with self.database.connect() as connection:
            return self.rate_limits.remove_unused(connection, unused_for=_SILENT)


def _until_none_is_left(job: Callable[[], int]) -> int:
    done = 0
    while batch := job():
        done += batch
    return done
