"""The jobs that run by time. Every job is safe to run twice and in parallel."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from app.db import retry, try_lock_name
from app.db.errors import ConnectionLost, DatabaseUnreachable, PoolExhausted
from app.repositories import IdempotencyKeyRepository, RateLimitRepository
from app.services.conversation_lifecycle import ConversationLifecycle
from app.services.kit.base import Service
from app.services.kit.permissions import SYSTEM_ONLY, allowed
from app.services.task_queue import TaskQueueService
from app.services.transaction_lifecycle import TransactionLifecycle

if TYPE_CHECKING:
    from collections.abc import Callable

    Batch = Callable[[], int]

DATABASE_AWAY = (DatabaseUnreachable, ConnectionLost, PoolExhausted)
"""No job can run after one of these. Every other error is a failure of one job."""

_REMOVED_AT_ONCE = 1000
_SILENT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class JobsReport:
    """The number of changed rows, and the error of each failed job; both by the job's name."""

    done: dict[str, int]
    failed: dict[str, Exception] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class JobService(Service):
    keys: IdempotencyKeyRepository = IdempotencyKeyRepository()
    rate_limits: RateLimitRepository = RateLimitRepository()

    @allowed(SYSTEM_ONLY)
    def run_due(self) -> JobsReport:
        """Run every job until nothing is left to do.

        The jobs take turns, one batch each, so that a long one does not keep the others waiting. A
        job that fails is not run again this time, and the others go on. Raises `DATABASE_AWAY`.
        """
        unfinished = self._jobs()
        report = JobsReport(dict.fromkeys(unfinished, 0))
        while unfinished:
            for name, batch in list(unfinished.items()):
                if not self._run_batch(name, batch, report):
                    del unfinished[name]
        return report

    @allowed(SYSTEM_ONLY)
    @retry
    def remove_expired_keys(self) -> int:
        """Delete up to a thousand expired idempotency keys; returns how many."""
        with self.database.connect() as connection:
            return self.keys.remove_expired(connection, at_most=_REMOVED_AT_ONCE)

    @allowed(SYSTEM_ONLY)
    @retry
    def remove_unused_rate_limits(self) -> int:
        """Delete up to a thousand buckets that were unused for an hour, and so are empty."""
        with self.database.connect() as connection:
            return self.rate_limits.remove_unused(
                connection, unused_for=_SILENT, at_most=_REMOVED_AT_ONCE
            )

    def _jobs(self) -> dict[str, Batch]:
        return {
            "leases taken back": self.related(TaskQueueService).rescue,
            "conversations woken": self.related(ConversationLifecycle).wake_due,
            "transactions expired": self.related(TransactionLifecycle).expire_due,
            "idempotency keys removed": self.remove_expired_keys,
            "rate limits removed": self.remove_unused_rate_limits,
        }

    def _run_batch(self, name: str, batch: Batch, report: JobsReport) -> bool:
        """Run one batch and report it; returns whether there may be another one."""
        try:
            done = self._batch_alone(name, batch)
        except DATABASE_AWAY:
            raise
        except Exception as error:  # noqa: BLE001 - the caller reports it; the other jobs go on
            report.failed[name] = error
            return False
        report.done[name] += done
        return done > 0

    @retry
    def _batch_alone(self, name: str, batch: Batch) -> int:
        """Run one batch; returns 0 at once while another process runs one of the same job."""
        with self.database.connect() as connection:
            return batch() if try_lock_name(connection, f"job: {name}") else 0
